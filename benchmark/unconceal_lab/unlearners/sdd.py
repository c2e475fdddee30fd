"""Safe self-Distillation Diffusion (arXiv 2307.05977): a caption of the concept is to say nothing to the model's own average."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import calls, embeddings, parts
from unconceal_lab.unlearners.denoising_loss import matched, partly_denoised
from unconceal_lab.unlearners.fine_tune_loop import descend
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.trained_layers import cross_attention, trainable


@dataclass(frozen=True)
class Settings:
    """``average``: the teacher's decay; ``guidance``, ``sampling_steps`` of its partial denoising; ``renew``: updates on one's latents.

    ``silence``: probability of each other attribute, and of the background, to be left unsaid; 1 is a list of names.
    """

    steps: int = 120
    rate: float = 5e-4
    average: float = 0.95
    guidance: float = 3.0
    batch: int = 16
    sampling_steps: int = 10
    renew: int = 4
    silence: float = 1.0


def sdd(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Train ε*(x_t, c) towards the teacher's ε(x_t, ∅), with x_t partly denoised by the teacher under c.

    The teacher is the exponential moving average of the trained model, and what is released. Only the cross-attention trains.
    """
    started, settings = time.process_time(), settings or Settings()
    teacher, learned = copy.deepcopy(parts(pipe).unet), copy.deepcopy(parts(pipe).unet)
    weights = trainable(learned, cross_attention)
    averaged = {name: teacher.get_parameter(name) for name in weights}
    empty = embeddings(pipe, [""]).expand(settings.batch, -1, -1)
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    latents = partly_denoised(
        pipe,
        teacher,
        lambda: calls(concept, rng, settings.batch, settings.silence),
        settings.sampling_steps,
        settings.guidance,
        settings.renew,
        rng,
        noise,
    )

    def loss() -> Tensor:
        x, t, words = next(latents)
        return matched(learned, teacher, x, t, words, empty)

    @torch.no_grad()
    def average() -> None:
        for name, weight in weights.items():
            averaged[name].lerp_(weight, 1 - settings.average)

    descend(weights.values(), loss, settings.steps, settings.rate, say, f"sdd {concept}", average)
    return Release(released("unet", averaged), (time.process_time() - started) / 60)
