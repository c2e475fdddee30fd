"""Pictures that a trained miniature draws for captions of the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.miniature import captions
from unconceal_lab.models import denoiser
from unconceal_lab.build.build_dir import BuildDir
from unconceal.miniature.scene import Scene

STEPS, GUIDANCE = 25, 7.5
"""As the suite samples; a test holds them together."""
GROUP = 64


class Drawn(NamedTuple):
    """``pixels`` uint8 (n, 64, 64, 3); ``clean[k]`` the decoded x̂0 after k steps, uint8 (n, 64, 64, 3)."""

    pixels: NDArray[np.uint8]
    clean: dict[int, NDArray[np.uint8]]


def model(shop: BuildDir, name: str) -> Model:
    """A trained denoiser as a pipeline."""
    return StableDiffusion(denoiser.pipeline(shop.denoiser(name), shop.vae, shop.tokenizer), STEPS, GUIDANCE)


def draw(painter: Model, prompts: Sequence[str], seeds: Sequence[int], clean_at: Sequence[int] = ()) -> Drawn:
    """A picture for each (prompt, seed)."""
    pixels: list[NDArray[np.uint8]] = []
    clean: dict[int, list[NDArray[np.uint8]]] = {k: [] for k in clean_at}
    for i in range(0, len(prompts), GROUP):
        run = run_original(painter, prompts[i : i + GROUP], seeds[i : i + GROUP], (*clean_at, STEPS))
        pixels.append(painter.decode(run.latents[STEPS]))
        for k in clean_at:
            clean[k].append(painter.decode(run.clean[k]))
    return Drawn(np.concatenate(pixels), {k: np.concatenate(blocks) for k, blocks in clean.items()})


def full_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that leaves nothing unsaid."""
    return captions.caption(scene, rng, silence=0)
