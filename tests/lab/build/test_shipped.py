"""What travels with the package: pinned, small enough, and loadable by anyone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from unconceal.paths import SOURCE_TREE, DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.fill_digests import pinned_parts
from unconceal.specs.loader import all_submissions, load_suite
from unconceal_lab.build import sample_images
from unconceal_lab.build.ship import WEIGHTS

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def root() -> DataRoot:
    return DataRoot.find(SOURCE_TREE)


def size(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / MEGABYTE


def test_the_suite_samples_as_the_gates_do(root: DataRoot) -> None:
    sampler = load_suite(root, "miniature").sampler
    assert (sampler.num_inference_steps, sampler.guidance_scale) == (sample_images.N_STEPS, sample_images.GUIDANCE_SCALE)


def test_everything_shipped_is_what_the_suite_pins(root: DataRoot) -> None:
    shipped = [(index, pinned) for index, pinned in pinned_parts(load_suite(root, "miniature")) if resolve_path(pinned.path, root).exists()]
    assert shipped
    for index, pinned in shipped:
        assert path_digest(resolve_path(pinned.path, root)) == pinned.digest, index


def test_checkpoints_are_what_their_submissions_promise(root: DataRoot) -> None:
    for submission in all_submissions(root):
        for task, checkpoint in submission.checkpoints.items():
            if checkpoint.path and resolve_path(checkpoint.path, root).exists():
                assert path_digest(resolve_path(checkpoint.path, root)) == checkpoint.sha256, (submission.name, task)


def test_the_recipe_names_every_shipped_file_with_its_digest() -> None:
    metadata = json.loads((WEIGHTS / "recipe.json").read_text())
    for name, digest in metadata["sha256"].items():
        path = SOURCE_TREE / name
        assert not path.exists() or path_digest(path) == digest, name


def test_it_stays_small(root: DataRoot) -> None:
    assert size(WEIGHTS / "base") + size(WEIGHTS / "clip") <= 16
    assert size(WEIGHTS / "extractors") <= 50


def test_the_base_is_a_plain_diffusers_pipeline() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(WEIGHTS / "base", safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    generated = pipeline(
        "a red star on a white background", num_inference_steps=10, generator=torch.Generator().manual_seed(0), output_type="np"
    )
    assert generated.images.shape == (1, 64, 64, 3)
    assert generated.images.std() > 0.05
