"""Copies what is shipped from the workshop into the package and submissions/, and writes the recipe with its digests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tabulate import tabulate
from transformers import CLIPModel

from unconceal.evaluation.provenance import machine, packages
from unconceal.judges import extractors
from unconceal_lab.build import task_prompts
from unconceal_lab.build.miniature_judge import STANDS_ON, headless
from unconceal_lab.build.recipe import FAMILIES, GOLDS, HELD_OUT_TASKS, TASKS, family_stem, file_stem, gold_name
from unconceal_lab.build.submissions import gold_release_name, halved, release_name, submission_name
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.unlearners import UNLEARNERS
from unconceal.paths import PACKAGE, SOURCE_TREE
from unconceal.specs.digests import path_digest

ANCESTOR, GATE = "ancestor", "judge-gate.json"
WEIGHTS = PACKAGE / "miniature" / "weights"
RELEASES = SOURCE_TREE / "submissions" / "miniature" / "weights"
SHIPPED = tuple(submission_name(unlearner) for unlearner in UNLEARNERS)
"""Releases copied beside their submissions. Which of them travel with the source .gitignore says; their records all do."""


def ship_base_and_judges(shop: BuildDir) -> None:
    """Base, CLIP, extractors and concept judge into the package."""
    renewed(WEIGHTS / "base", lambda folder: shutil.copytree(shop.folder / "shipped", folder))
    for name in shop.recipe.extractors:
        if shop.exists(f"{name}.pt"):
            (WEIGHTS / "extractors").mkdir(parents=True, exist_ok=True)
            extractors.save(headless(shop, name), WEIGHTS / "extractors" / f"{name}.safetensors")
    if shop.exists("clip"):
        renewed(WEIGHTS / "clip", lambda folder: ship_clip(shop, folder))
    if shop.exists(f"{ANCESTOR}.pt"):
        ship_ancestor(shop)
    if shop.exists("judge"):
        renewed(WEIGHTS / "judge", lambda folder: shutil.copytree(shop.folder / "judge", folder))
    if shop.exists(GATE):
        shutil.copyfile(shop.folder / GATE, WEIGHTS / GATE)


def ship_ancestor(shop: BuildDir) -> None:
    """The ancestor, float16: whatever continues from it (golds, graded models) can be made without training it again."""
    save_file(halved(shop.denoiser(ANCESTOR)), WEIGHTS / f"{ANCESTOR}.safetensors")


def adopt(shop: BuildDir) -> None:
    """Take tokenizer, VAE, ancestor, base, CLIP, judge, golds and releases from the package where the workshop lacks them.

    The shipped folder is taken only together with its base: beside a base of the workshop's own it would be another model.
    """
    shop.folder.mkdir(parents=True, exist_ok=True)
    folders = {name: WEIGHTS / name for name in ("clip", "judge")}
    folders |= {name: WEIGHTS / "base" / name for name in ("tokenizer", "vae")}
    lacks_base = not shop.exists("base.pt")
    if lacks_base:
        folders["shipped"] = WEIGHTS / "base"
    for name, folder in folders.items():
        if folder.exists() and not shop.exists(name):
            shop.keep(name, 0, lambda path, folder=folder: shutil.copytree(folder, path))  # type: ignore[misc]
    if (WEIGHTS / f"{ANCESTOR}.safetensors").exists() and not shop.exists(f"{ANCESTOR}.pt"):
        keep_denoiser(shop, ANCESTOR, load_file(WEIGHTS / f"{ANCESTOR}.safetensors"))
    judged_by = {WEIGHTS / "extractors" / f"{STANDS_ON}.safetensors": f"{STANDS_ON}.safetensors", WEIGHTS / GATE: GATE}
    for target, name in {**releases(), **judged_by}.items():
        if target.exists() and not shop.exists(name):
            shop.keep(name, 0, lambda path, target=target: shutil.copyfile(target, path))  # type: ignore[misc]
    for family, number in product(FAMILIES, GOLDS):
        if gold_place(family, number).exists() and not shop.exists(f"{gold_name(family, number)}.pt"):
            keep_denoiser(shop, gold_name(family, number), load_file(gold_place(family, number)))
    if (WEIGHTS / "base").exists() and lacks_base:
        parts = {"unet": "diffusion_pytorch_model", "text_encoder": "model"}
        files = {part: load_file(WEIGHTS / "base" / part / f"{stem}.safetensors") for part, stem in parts.items()}
        keep_denoiser(shop, "base", {f"{part}.{key}": value for part, state in files.items() for key, value in state.items()})


def keep_denoiser(shop: BuildDir, name: str, state: dict[str, torch.Tensor]) -> None:
    """A denoiser's weights, whatever their precision and spelling, as the workshop keeps them."""
    model = shop.untrained(name)
    own = model.state_dict()
    known = {key.replace(".text_model.", "."): value.float() for key, value in state.items()}
    model.load_state_dict({key: known.get(key.replace(".text_model.", "."), value) for key, value in own.items()})
    shop.keep(f"{name}.pt", 0, lambda path: torch.save(model.state_dict(), path))


def ship_clip(shop: BuildDir, folder: Path) -> None:
    """The miniature CLIP in float16, with its tokenizer."""
    model = CLIPModel.from_pretrained(shop.folder / "clip", dtype=torch.float16)
    model.save_pretrained(folder)
    shop.tokenizer.save_pretrained(folder)


def releases() -> dict[Path, str]:
    """Where each release lies in the tree, and what the workshop calls it."""
    methods = {
        RELEASES / name / f"{file_stem(concept)}.safetensors": release_name(name, concept)
        for concept in (*TASKS, *HELD_OUT_TASKS)
        for name in SHIPPED
    }
    golds = product(FAMILIES, GOLDS)
    return methods | {gold_place(family, number): gold_release_name(family, number) for family, number in golds}


def gold_place(family: tuple[str, ...], number: int) -> Path:
    """Where a gold lies in the tree."""
    return RELEASES / f"control-gold-{number}" / f"{family_stem(family)}.safetensors"


def ship_releases(shop: BuildDir) -> None:
    """Releases into submissions/."""
    for target, name in releases().items():
        if shop.exists(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shop.folder / name, target)


def renewed(folder: Path, make: Callable[[Path], object]) -> None:
    """A folder made anew, so that nothing of an older build stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    make(folder)


def write_recipe(shop: BuildDir) -> None:
    """``recipe.json``: every setting, the versions, the minutes, and the SHA-256 of every shipped file."""
    files = sorted(path for folder in (WEIGHTS, RELEASES) if folder.exists() for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(SOURCE_TREE).as_posix(): path_digest(path) for path in files if path.name != "recipe.json"}
    told = {
        "recipe": asdict(shop.recipe),
        "packages": packages(),
        "machine": machine(),
        "processor_minutes_on_one_thread": shop.minutes,
        "sha256": digests,
    }
    (WEIGHTS / "recipe.json").write_text(json.dumps(told, indent=1) + "\n")


def write_gates(shop: BuildDir) -> None:
    """``docs/gates.md``: what the build measured before anything was shipped."""
    rows = json.loads((shop.folder / "gates.json").read_text())
    table = tabulate(rows, headers=("gate", "share [95 % interval]", "n", "bound", ""), tablefmt="github", disable_numparse=True)
    text = f"# Quality gates of the miniature models\n\nWritten by `unconceal miniature build --ship`; do not edit.\n\n{table}\n"
    (SOURCE_TREE / "docs" / "gates.md").write_text(text, encoding="utf-8")


def write_tasks() -> None:
    """Every task's file, from the world's own words."""
    told = task_prompts.as_yaml_files(task_prompts.task_of(concept, category) for concept, category in {**TASKS, **HELD_OUT_TASKS}.items())
    for name, text in told.items():
        path = SOURCE_TREE / "tasks" / "miniature" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ship_all(shop: BuildDir) -> None:
    """Everything that is made, into the tree."""
    write_tasks()
    ship_base_and_judges(shop)
    ship_releases(shop)
    write_recipe(shop)
    if shop.exists("gates.json"):
        write_gates(shop)
