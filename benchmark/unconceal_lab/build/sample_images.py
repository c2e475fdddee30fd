"""Images that a trained miniature model generates for captions of the miniature world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.miniature import captions
from unconceal.miniature.scene import Scene
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.models import denoiser

N_STEPS, GUIDANCE_SCALE = 25, 7.5
"""As the suite samples; checked by a test."""
BATCH_SIZE = 64


class GeneratedImages(NamedTuple):
    """Generated images.

    Attributes:
        pixels: uint8 (n, 64, 64, 3).
        clean: the decoded x̂0 after k steps by k, each uint8 (n, 64, 64, 3).
    """

    pixels: NDArray[np.uint8]
    clean: dict[int, NDArray[np.uint8]]


def load_model(build_dir: BuildDir, name: str) -> Model:
    """A trained denoiser as a sampling model."""
    return StableDiffusion(denoiser.to_pipeline(build_dir.denoiser(name), build_dir.vae, build_dir.tokenizer), N_STEPS, GUIDANCE_SCALE)


def generate_images(model: Model, prompts: Sequence[str], seeds: Sequence[int], clean_at: Sequence[int] = ()) -> GeneratedImages:
    """One image per (prompt, seed).

    Args:
        model: the model.
        prompts: n prompts.
        seeds: n noise seeds.
        clean_at: steps after which x̂0 is decoded as well.

    Returns:
        Images in the order of the prompts.
    """
    pixels: list[NDArray[np.uint8]] = []
    clean: dict[int, list[NDArray[np.uint8]]] = {k: [] for k in clean_at}
    for i in range(0, len(prompts), BATCH_SIZE):
        run = run_original(model, prompts[i : i + BATCH_SIZE], seeds[i : i + BATCH_SIZE], (*clean_at, N_STEPS))
        pixels.append(model.decode(run.latents[N_STEPS]))
        for k in clean_at:
            clean[k].append(model.decode(run.clean_latents[k]))
    return GeneratedImages(np.concatenate(pixels), {k: np.concatenate(blocks) for k, blocks in clean.items()})


def full_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that mentions every attribute of the scene."""
    return captions.caption(scene, rng, omit_probability=0)
