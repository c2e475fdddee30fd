"""What the reference unlearners and the golds release, as files under submissions/."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from unconceal.checkpoints.base_pipeline import load_base
from unconceal_lab.models import denoiser
from unconceal_lab.build.recipe import family_stem, file_stem, gold_name
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.unlearners import UNLEARNERS

DAMAGED = frozenset({"collapsed", "collapsed-by-ascent", "constant", "noise"})
"""Unlearners that leave a destroyed model behind, on purpose."""


def submission_name(unlearner: str) -> str:
    """The submission's name: destroyed models are controls."""
    return f"control-{unlearner}" if unlearner in DAMAGED else unlearner


def release(shop: BuildDir, unlearner: str, concept: str) -> None:
    """Unlearn a concept from the shipped base and keep the release, ``release-esd-x-star.safetensors``."""
    pipe: StableDiffusionPipeline = load_base(shop.folder / "shipped")
    made = UNLEARNERS[unlearner](pipe, concept, shop.recipe.unlearner_seed, shop.progress.say)
    shop.keep(release_name(submission_name(unlearner), concept), made.minutes, lambda path: save_file(made.weights, path))


def release_gold(shop: BuildDir, family: tuple[str, ...], number: int) -> None:
    """A gold's UNet and text encoder as one file, float16."""
    weights = halved(shop.denoiser(gold_name(family, number)))
    shop.keep(gold_release_name(family, number), 0, lambda path: save_file(weights, path))


def halved(model: denoiser.Denoiser) -> dict[str, Tensor]:
    """UNet and text encoder in float16, as they are shipped."""
    return {name: tensor.half().contiguous() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def release_name(submission: str, concept: str) -> str:
    """Where the workshop keeps a release."""
    return f"release-{submission}-{file_stem(concept)}.safetensors"


def gold_release_name(family: tuple[str, ...], number: int) -> str:
    """The same of a gold, which serves every task of its family."""
    return f"release-control-gold-{number}-{family_stem(family)}.safetensors"


def ship_base(shop: BuildDir, folder: Path) -> None:
    """The base as a plain diffusers folder: UNet and VAE float16, text encoder float32."""
    pipe = denoiser.pipeline(shop.denoiser("base"), shop.vae, shop.tokenizer)
    # transformers keeps a stored precision, diffusers loads UNet and VAE as float32: a float16 text encoder would not fit them.
    pipe.unet.half()
    pipe.vae.half()
    pipe.save_pretrained(folder)
    for config in folder.rglob("*config.json"):
        # Where the builder's own files lay would change the folder's digest from machine to machine.
        fields = json.loads(config.read_text())
        config.write_text(json.dumps({key: value for key, value in fields.items() if key != "_name_or_path"}, indent=2) + "\n")
