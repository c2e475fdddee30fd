"""Copies what is shipped from the workshop into the package and submissions/, and writes the recipe with its digests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from tabulate import tabulate
from transformers import CLIPModel

from unconceal.evaluation.provenance import machine, packages
from unconceal.judges import extractors
from unconceal.miniature.building.judging import headless
from unconceal.miniature.building.recipe import GOLDS, TASKS
from unconceal.miniature.building.releasing import release_name, submission_name
from unconceal.miniature.building.workshop import Workshop
from unconceal.miniature.unlearners import UNLEARNERS
from unconceal.paths import PACKAGE, SOURCE_TREE
from unconceal.specs.digests import path_digest

WEIGHTS = PACKAGE / "miniature" / "weights"
RELEASES = SOURCE_TREE / "submissions" / "miniature" / "weights"
SHIPPED = (*(submission_name(unlearner) for unlearner in UNLEARNERS), *(f"control-gold-{number}" for number in GOLDS))
"""Releases copied beside their submissions. Which of the golds travel with the source .gitignore says; their records all do."""


def ship_base_and_judges(shop: Workshop) -> None:
    """Base, CLIP, extractors and concept judge into the package."""
    renewed(WEIGHTS / "base", lambda folder: shutil.copytree(shop.folder / "shipped", folder))
    for name in shop.recipe.extractors:
        if shop.made(f"{name}.pt"):
            (WEIGHTS / "extractors").mkdir(parents=True, exist_ok=True)
            extractors.save(headless(shop, name), WEIGHTS / "extractors" / f"{name}.safetensors")
    if shop.made("clip"):
        renewed(WEIGHTS / "clip", lambda folder: ship_clip(shop, folder))
    if shop.made("judge"):
        renewed(WEIGHTS / "judge", lambda folder: shutil.copytree(shop.folder / "judge", folder))


def ship_clip(shop: Workshop, folder: Path) -> None:
    """The miniature CLIP in float16, with its tokenizer."""
    model = CLIPModel.from_pretrained(shop.folder / "clip", dtype=torch.float16)
    model.save_pretrained(folder)
    shop.tokenizer.save_pretrained(folder)


def ship_releases(shop: Workshop) -> None:
    """Releases into submissions/."""
    for concept in TASKS:
        for name in SHIPPED:
            if shop.made(release_name(name, concept)):
                target = RELEASES / name / f"{concept}.safetensors"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(shop.folder / release_name(name, concept), target)


def renewed(folder: Path, make: Callable[[Path], object]) -> None:
    """A folder made anew, so that nothing of an older build stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    make(folder)


def write_recipe(shop: Workshop) -> None:
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


def write_gates(shop: Workshop) -> None:
    """``docs/gates.md``: what the build measured before anything was shipped."""
    rows = json.loads((shop.folder / "gates.json").read_text())
    table = tabulate(rows, headers=("gate", "share [95 % interval]", "n", "bound", ""), tablefmt="github", disable_numparse=True)
    text = f"# Quality gates of the miniature models\n\nWritten by `unconceal miniature build --ship`; do not edit.\n\n{table}\n"
    (SOURCE_TREE / "docs" / "gates.md").write_text(text, encoding="utf-8")


def ship_all(shop: Workshop) -> None:
    """Everything that is made, into the tree."""
    ship_base_and_judges(shop)
    ship_releases(shop)
    write_recipe(shop)
    if shop.made("gates.json"):
        write_gates(shop)
