"""Weights that the unlearners and the golds release as submissions."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from unconceal.checkpoints.base_pipeline import load_base
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import family_stem, file_stem, gold_name
from unconceal_lab.models import denoiser
from unconceal_lab.unlearners import UNLEARNERS

DESTROYED = frozenset({"collapsed", "collapsed-by-ascent", "constant", "noise"})
"""Unlearners that destroy the model on purpose."""


def submission_name(unlearner: str) -> str:
    """Name of an unlearner's submission; destroyed models are controls."""
    return f"control-{unlearner}" if unlearner in DESTROYED else unlearner


def release(build_dir: BuildDir, unlearner: str, concept: str) -> None:
    """Run an unlearner on the shipped base and save its release, ``release-esd-x-star.safetensors``."""
    pipeline: StableDiffusionPipeline = load_base(build_dir.folder / "shipped")
    result = UNLEARNERS[unlearner](pipeline, concept, build_dir.recipe.unlearner_seed, build_dir.progress.log)
    build_dir.save(release_name(submission_name(unlearner), concept), result.minutes, lambda path: save_file(result.weights, path))


def release_gold(build_dir: BuildDir, family: tuple[str, ...], number: int) -> None:
    """Save a gold's UNet and text encoder as one float16 file."""
    weights = to_half_precision(build_dir.denoiser(gold_name(family, number)))
    build_dir.save(gold_release_name(family, number), 0, lambda path: save_file(weights, path))


def to_half_precision(model: denoiser.Denoiser) -> dict[str, Tensor]:
    """UNet and text encoder in float16, by tensor name."""
    return {name: tensor.half().contiguous() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def release_name(submission: str, concept: str) -> str:
    """File name of a release in the build folder."""
    return f"release-{submission}-{file_stem(concept)}.safetensors"


def gold_release_name(family: tuple[str, ...], number: int) -> str:
    """File name of a gold's release in the build folder; one file serves every task of its family."""
    return f"release-control-gold-{number}-{family_stem(family)}.safetensors"


def ship_base(build_dir: BuildDir, folder: Path) -> None:
    """Save the base as a diffusers folder: UNet and VAE in float16, text encoder in float32."""
    pipeline = denoiser.to_pipeline(build_dir.denoiser("base"), build_dir.vae, build_dir.tokenizer)
    # transformers keeps the stored precision while diffusers loads float32, so a float16 text encoder would not match UNet and VAE.
    pipeline.unet.half()
    pipeline.vae.half()
    pipeline.save_pretrained(folder)
    for config in folder.rglob("*config.json"):
        # _name_or_path is a local path: with it, the folder's digest would differ between machines.
        fields = json.loads(config.read_text())
        config.write_text(json.dumps({key: value for key, value in fields.items() if key != "_name_or_path"}, indent=2) + "\n")
