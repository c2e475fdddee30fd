"""Erased Stable Diffusion (arXiv 2303.07345): fine-tuned against its own negative guidance."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import calls, embeddings, parts
from unconceal_lab.unlearners.denoising_loss import partly_denoised
from unconceal_lab.unlearners.fine_tune_loop import descend
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.trained_layers import cross_attention, trainable


@dataclass(frozen=True)
class Settings:
    """``strength`` η of the negative guidance; ``guidance`` and ``sampling_steps`` of the model's own partial denoising.

    ``renew``: updates on the latents of one denoising. ``silence``: probability of each other attribute, and of the
    background, to be left unsaid; 1 is the paper's list of names ("a star", "a picture of a star shape"). Below 1 it reaches
    further with fewer steps, but negates the colours that its captions say as well (measured: 25 % of other pictures recoloured).
    """

    steps: int
    rate: float
    strength: float = 1.0
    guidance: float = 3.0
    batch: int = 16
    sampling_steps: int = 10
    renew: int = 4
    silence: float = 1.0


ESD_X = Settings(steps=120, rate=5e-4)
ESD_U = Settings(steps=80, rate=1.5e-4)


def esd_x(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Only the cross-attention is trained: for concepts that a prompt names, such as styles."""
    return _erase(pipe, concept, seed, say, settings or ESD_X, cross_attention)


def esd_u(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Everything but the cross-attention is trained: for concepts to be removed whatever the prompt."""
    return _erase(pipe, concept, seed, say, settings or ESD_U, lambda layer: not cross_attention(layer))


def _erase(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None], settings: Settings, chosen: Callable[[str], bool]
) -> Release:
    """Train ε*(x_t, c) towards ε(x_t, ∅) − η (ε(x_t, c) − ε(x_t, ∅)), with x_t partly denoised by the trained model under c.

    c calls the concept by its name only, never by its other wordings, as the method is used.
    """
    started = time.process_time()
    frozen, learned = parts(pipe).unet, copy.deepcopy(parts(pipe).unet)
    weights = trainable(learned, chosen)
    empty = embeddings(pipe, [""]).expand(settings.batch, -1, -1)
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    latents = partly_denoised(
        pipe,
        learned,
        lambda: calls(concept, rng, settings.batch, settings.silence),
        settings.sampling_steps,
        settings.guidance,
        settings.renew,
        rng,
        noise,
    )

    def loss() -> Tensor:
        x, t, words = next(latents)
        target = negated(frozen, x, t, words, empty, settings.strength)
        error: Tensor = (learned(x, t, words).sample - target).square().mean()
        return error

    descend(weights.values(), loss, settings.steps, settings.rate, say, f"esd {concept}")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


@torch.no_grad()
def negated(unet: Any, x: Tensor, t: Tensor, words: Tensor, empty: Tensor, strength: float) -> Tensor:
    """ε(x, ∅) − η (ε(x, c) − ε(x, ∅)); shape of ``x``."""
    unconditional, conditional = unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([empty, words])).sample.chunk(2)
    result: Tensor = unconditional - strength * (conditional - unconditional)
    return result
