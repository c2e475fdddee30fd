"""Erased Stable Diffusion (arXiv 2303.07345): fine-tuning towards negative guidance."""

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

from unconceal_lab.unlearners.concept_captions import components, encode_prompts, name_captions
from unconceal_lab.unlearners.denoising_loss import partially_denoised_batches
from unconceal_lab.unlearners.fine_tune_loop import fine_tune
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.trained_layers import cross_attention, set_trainable


@dataclass(frozen=True)
class EsdConfig:
    """Hyperparameters.

    Attributes:
        strength: η of the negative guidance.
        guidance_scale: of the model's own partial denoising.
        sampling_steps: steps of a full denoising.
        batches_per_trajectory: updates on the latents of one denoising.
        omit_probability: probability to omit each other attribute, and the background, from captions. 1 is the paper's list of names.
            Below 1 fewer steps reach further, but colours that captions mention are negated too (25 % of other images recoloured).
    """

    steps: int
    learning_rate: float
    strength: float = 1.0
    guidance_scale: float = 3.0
    batch_size: int = 16
    sampling_steps: int = 10
    batches_per_trajectory: int = 4
    omit_probability: float = 1.0


ESD_X = EsdConfig(steps=120, learning_rate=5e-4)
ESD_U = EsdConfig(steps=80, learning_rate=1.5e-4)


def esd_x(
    pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print, *, config: EsdConfig | None = None
) -> UnlearnedWeights:
    """Train the cross-attention only: for concepts that a prompt names, such as styles."""
    return _train_unet(pipeline, concept, seed, log, config or ESD_X, cross_attention)


def esd_u(
    pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print, *, config: EsdConfig | None = None
) -> UnlearnedWeights:
    """Train everything but the cross-attention: for concepts to be removed for any prompt."""
    return _train_unet(pipeline, concept, seed, log, config or ESD_U, lambda layer: not cross_attention(layer))


def _train_unet(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None],
    config: EsdConfig,
    is_trained: Callable[[str], bool],
) -> UnlearnedWeights:
    """Train ε*(x_t, c) towards ε(x_t, ∅) − η (ε(x_t, c) − ε(x_t, ∅)), with x_t partially denoised by the trained model under c.

    c calls the concept by its name only, as the method is used.
    """
    start_time = time.process_time()
    teacher, student = components(pipeline).unet, copy.deepcopy(components(pipeline).unet)
    weights = set_trainable(student, is_trained)
    empty_embeds = encode_prompts(pipeline, [""]).expand(config.batch_size, -1, -1)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def captions() -> list[str]:
        return name_captions(concept, rng, config.batch_size, config.omit_probability)

    latents = partially_denoised_batches(pipeline, student, captions, config, rng, generator)

    def loss() -> Tensor:
        x, t, prompt_embeds = next(latents)
        target = negative_guidance(teacher, x, t, prompt_embeds, empty_embeds, config.strength)
        value: Tensor = (student(x, t, prompt_embeds).sample - target).square().mean()
        return value

    fine_tune(weights.values(), loss, config.steps, config.learning_rate, log, f"esd {concept}")
    return UnlearnedWeights(to_release("unet", weights), (time.process_time() - start_time) / 60)


@torch.no_grad()
def negative_guidance(unet: Any, x: Tensor, t: Tensor, prompt_embeds: Tensor, empty_embeds: Tensor, strength: float) -> Tensor:
    """ε(x, ∅) − η (ε(x, c) − ε(x, ∅)), shape of ``x``."""
    unconditional, conditional = unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([empty_embeds, prompt_embeds])).sample.chunk(2)
    result: Tensor = unconditional - strength * (conditional - unconditional)
    return result
