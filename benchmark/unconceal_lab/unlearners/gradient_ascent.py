"""Gradient ascent: the usual loss on the concept's pictures is driven up; with nothing to hold it, until the model is destroyed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import calls, parts, unrelated
from unconceal_lab.unlearners.denoising_loss import drawn, error, noised
from unconceal_lab.unlearners.fine_tune_loop import descend
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.trained_layers import trainable


@dataclass(frozen=True)
class Settings:
    """``pictures`` of the concept and ``retained`` ones of everything else, drawn by the model itself in ``sampling_steps``.

    ``retention``: weight of the usual loss on the retained ones. ``ceiling``: a picture of the concept whose error has reached it
    pushes no further (1: as wrong as to predict no noise at all).
    """

    steps: int
    rate: float
    retention: float
    ceiling: float = 1.0
    pictures: int = 64
    retained: int = 128
    batch: int = 16
    sampling_steps: int = 12


ASCENT = Settings(steps=100, rate=1e-4, retention=5.0)
COLLAPSING = Settings(steps=40, rate=3e-4, retention=0.0, ceiling=float("inf"), retained=0)


def ascend(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Minimise −‖ε*(x_t, c) − noise‖² on pictures of the concept, plus the usual loss on retained ones.

    Every linear and convolution layer of the UNet trains.
    """
    started, settings = time.process_time(), settings or ASCENT
    learned = copy.deepcopy(parts(pipe).unet)
    weights = trainable(learned, lambda layer: True)
    scheduler, rng, noise = parts(pipe).scheduler, np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = drawn(pipe, calls(concept, rng, settings.pictures), settings.sampling_steps, noise)
    texts = [unrelated(concept, rng) for _ in range(settings.retained)]
    retain = drawn(pipe, texts, settings.sampling_steps, noise) if texts else None

    def loss() -> Tensor:
        rows = torch.randint(0, settings.pictures, (settings.batch,), generator=noise)
        wrong = error(learned, noised(scheduler, forget.latents[rows], noise), forget.words[rows])
        lost = -wrong.clamp(max=settings.ceiling).mean()
        if retain is None:
            return lost
        kept = torch.randint(0, settings.retained, (settings.batch,), generator=noise)
        seen = noised(scheduler, retain.latents[kept], noise)
        return lost + settings.retention * error(learned, seen, retain.words[kept]).mean()

    descend(weights.values(), loss, settings.steps, settings.rate, say, f"ascent {concept}")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


def collapse_by_ascent(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """The same without ceiling and with nothing retained: nothing recognisable is left, whatever the prompt. A destroyed model."""
    return ascend(pipe, concept, seed, say, settings=settings or COLLAPSING)
