"""Copies build outputs into the package and submissions/, and writes the recipe with all digests."""

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

from unconceal.errors import UsageError
from unconceal.evaluation.environment import machine_info, package_versions
from unconceal.hub.local_weights import BUILT_SUITE
from unconceal.judges import extractors
from unconceal.paths import PACKAGE, SOURCE_TREE, DataRoot
from unconceal.specs.digests import path_digest
from unconceal.specs.fill_digests import pin_controls
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.build import task_prompts
from unconceal_lab.build.adversaries import ADVERSARY_CONCEPTS, adversary_name, adversary_submission
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.miniature_judge import EXTRACTOR, feature_extractor
from unconceal_lab.build.recipe import FAMILIES, GOLDS, HELD_OUT_TASKS, TASKS, family_stem, file_stem, gold_name
from unconceal_lab.build.submissions import gold_release_name, release_name, submission_name, to_half_precision
from unconceal_lab.unlearners import UNLEARNERS

ANCESTOR, GATE = "ancestor", "judge-gate.json"
WEIGHTS = PACKAGE / "miniature" / "weights"
RELEASES = SOURCE_TREE / "submissions" / "miniature" / "weights"
GATES_PAGE = Path("docs", "reports", "model-gates.md")
SHIPPED = tuple(submission_name(unlearner) for unlearner in UNLEARNERS)
"""Submissions whose weights are copied. ``.gitignore`` decides which of them are committed; all records are."""


def require_source_tree() -> Path:
    """The source tree, which every shipped file is written to.

    Raises:
        UsageError: the package is not installed from a source tree; writing would fill the interpreter's own folder.
    """
    if not all((SOURCE_TREE / name).exists() for name in ("pyproject.toml", "tasks", "submissions")):
        raise UsageError(
            "build.no-source-tree",
            str(SOURCE_TREE),
            "is no source tree of unconceal, so nothing can be shipped into it",
            "clone the repository and install it with `pip install -e .`",
        )
    return SOURCE_TREE


def ship_base_and_judges(build_dir: BuildDir) -> None:
    """Copy base, CLIP, extractors and concept judge into the package."""
    require_source_tree()
    replace_folder(WEIGHTS / "base", lambda folder: shutil.copytree(build_dir.folder / "shipped", folder))
    for name in build_dir.recipe.extractors:
        if build_dir.exists(f"{name}.pt"):
            (WEIGHTS / "extractors").mkdir(parents=True, exist_ok=True)
            extractors.save(feature_extractor(build_dir, name), WEIGHTS / "extractors" / f"{name}.safetensors")
    if build_dir.exists("clip"):
        replace_folder(WEIGHTS / "clip", lambda folder: ship_clip(build_dir, folder))
    if build_dir.exists(f"{ANCESTOR}.pt"):
        ship_ancestor(build_dir)
    if build_dir.exists("judge"):
        replace_folder(WEIGHTS / "judge", lambda folder: shutil.copytree(build_dir.folder / "judge", folder))
    if build_dir.exists(GATE):
        shutil.copyfile(build_dir.folder / GATE, WEIGHTS / GATE)


def ship_ancestor(build_dir: BuildDir) -> None:
    """Save the ancestor in float16, so that golds and graded models can be trained without training it again."""
    save_file(to_half_precision(build_dir.denoiser(ANCESTOR)), WEIGHTS / f"{ANCESTOR}.safetensors")


def import_shipped(build_dir: BuildDir) -> None:
    """Import every shipped output that the build folder lacks: base, ancestor, tokenizer, VAE, CLIP, judge, golds, releases.

    The shipped pipeline is imported together with its base only, since it does not belong to another base.
    """
    build_dir.folder.mkdir(parents=True, exist_ok=True)
    folders = {name: WEIGHTS / name for name in ("clip", "judge")}
    folders |= {name: WEIGHTS / "base" / name for name in ("tokenizer", "vae")}
    lacks_base = not build_dir.exists("base.pt")
    if lacks_base:
        folders["shipped"] = WEIGHTS / "base"
    for name, folder in folders.items():
        if folder.exists() and not build_dir.exists(name):
            build_dir.save(name, 0, lambda path, folder=folder: shutil.copytree(folder, path))  # type: ignore[misc]
    if (WEIGHTS / f"{ANCESTOR}.safetensors").exists() and not build_dir.exists(f"{ANCESTOR}.pt"):
        save_denoiser(build_dir, ANCESTOR, load_file(WEIGHTS / f"{ANCESTOR}.safetensors"))
    judge_files = {WEIGHTS / "extractors" / f"{EXTRACTOR}.safetensors": f"{EXTRACTOR}.safetensors", WEIGHTS / GATE: GATE}
    for target, name in {**releases(), **judge_files}.items():
        if target.exists() and not build_dir.exists(name):
            build_dir.save(name, 0, lambda path, target=target: shutil.copyfile(target, path))  # type: ignore[misc]
    for family, number in product(FAMILIES, GOLDS):
        if gold_path(family, number).exists() and not build_dir.exists(f"{gold_name(family, number)}.pt"):
            save_denoiser(build_dir, gold_name(family, number), load_file(gold_path(family, number)))
    if (WEIGHTS / "base").exists() and lacks_base:
        stems = {"unet": "diffusion_pytorch_model", "text_encoder": "model"}
        files = {part: load_file(WEIGHTS / "base" / part / f"{stem}.safetensors") for part, stem in stems.items()}
        save_denoiser(build_dir, "base", {f"{part}.{key}": value for part, state in files.items() for key, value in state.items()})


def save_denoiser(build_dir: BuildDir, name: str, state: dict[str, torch.Tensor]) -> None:
    """Save a denoiser's weights as float32 under today's parameter names."""
    model = build_dir.new_denoiser(name)
    weights = model.state_dict()
    loaded = {key.replace(".text_model.", "."): value.float() for key, value in state.items()}
    model.load_state_dict({key: loaded.get(key.replace(".text_model.", "."), value) for key, value in weights.items()})
    build_dir.save(f"{name}.pt", 0, lambda path: torch.save(model.state_dict(), path))


def ship_clip(build_dir: BuildDir, folder: Path) -> None:
    """The miniature CLIP in float16, with its tokenizer."""
    model = CLIPModel.from_pretrained(build_dir.folder / "clip", dtype=torch.float16)
    model.save_pretrained(folder)
    build_dir.tokenizer.save_pretrained(folder)


def releases() -> dict[Path, str]:
    """Name of each release in the build folder, by its path in the source tree."""
    methods = {
        RELEASES / name / f"{file_stem(concept)}.safetensors": release_name(name, concept)
        for concept in (*TASKS, *HELD_OUT_TASKS)
        for name in SHIPPED
    }
    adversaries = {
        RELEASES / adversary_submission(kind) / f"{file_stem(concept)}.safetensors": adversary_name(kind, concept)
        for concept, kind in product(ADVERSARY_CONCEPTS, ADVERSARIES)
    }
    golds = product(FAMILIES, GOLDS)
    return methods | adversaries | {gold_path(family, number): gold_release_name(family, number) for family, number in golds}


def gold_path(family: tuple[str, ...], number: int) -> Path:
    """Path of a gold in the source tree."""
    return RELEASES / f"control-gold-{number}" / f"{family_stem(family)}.safetensors"


def ship_releases(build_dir: BuildDir) -> None:
    """Copy releases into submissions/, and write the digests of controls that they change."""
    source_tree = require_source_tree()
    for target, name in releases().items():
        if build_dir.exists(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(build_dir.folder / name, target)
    pin_controls(DataRoot.find(source_tree), BUILT_SUITE)


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Write a folder anew, so that no file of an older build stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write(folder)


def write_recipe(build_dir: BuildDir) -> None:
    """Write ``recipe.json``: hyperparameters, package versions, machine, minutes, and the SHA-256 of every shipped file."""
    source_tree = require_source_tree()
    files = sorted(path for folder in (WEIGHTS, RELEASES) if folder.exists() for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(source_tree).as_posix(): path_digest(path) for path in files if path.name != "recipe.json"}
    metadata = {
        "recipe": asdict(build_dir.recipe),
        "packages": package_versions(),
        "machine": machine_info(),
        "processor_minutes_on_one_thread": build_dir.minutes,
        "sha256": digests,
    }
    (WEIGHTS / "recipe.json").write_text(json.dumps(metadata, indent=1) + "\n")


def write_gates(build_dir: BuildDir) -> None:
    """Write the page of the quality gates, ``docs/reports/model-gates.md``."""
    rows = json.loads((build_dir.folder / "gates.json").read_text())
    table = tabulate(rows, headers=("gate", "share [95 % interval]", "n", "bound", ""), tablefmt="github", disable_numparse=True)
    text = f"# Quality gates of the miniature models\n\nWritten by `python -m unconceal_lab build --ship`; do not edit.\n\n{table}\n"
    (require_source_tree() / GATES_PAGE).write_text(text, encoding="utf-8")


def write_tasks() -> None:
    """Write the YAML file of every miniature task."""
    folder = require_source_tree() / "tasks" / "miniature"
    texts = task_prompts.as_yaml_files(
        task_prompts.build_task(concept, category) for concept, category in {**TASKS, **HELD_OUT_TASKS}.items()
    )
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ship(build_dir: BuildDir, only: tuple[str, ...] = ()) -> None:
    """Copy outputs into the source tree: releases alone if ``only`` names steps by ``SUBMISSION:TASK``, else everything.

    Re-saving base and judges for the sake of one release could change bytes that the suite pins.
    """
    if only and all(":" in name for name in only):
        ship_releases(build_dir)
    else:
        ship_all(build_dir)


def ship_all(build_dir: BuildDir) -> None:
    """Copy everything that exists into the source tree."""
    write_tasks()
    ship_base_and_judges(build_dir)
    ship_releases(build_dir)
    write_recipe(build_dir)
    if build_dir.exists("gates.json"):
        write_gates(build_dir)
