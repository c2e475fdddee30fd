"""Safe self-Distillation Diffusion (arXiv 2307.05977): maps captions of the concept to the unconditional prediction of an EMA teacher."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import components, encode_prompts, name_captions
from unconceal_lab.unlearners.denoising_loss import matching_loss, partially_denoised_batches
from unconceal_lab.unlearners.fine_tune_loop import fine_tune
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.trained_layers import cross_attention, set_trainable


@dataclass(frozen=True)
class SddConfig:
    """Hyperparameters.

    Attributes:
        ema_decay: decay of the teacher's exponential moving average.
        guidance_scale: of the teacher's partial denoising.
        sampling_steps: steps of a full denoising.
        batches_per_trajectory: updates on the latents of one denoising.
        omit_probability: probability to omit each other attribute, and the background, from captions; 1 is a list of names.
    """

    steps: int = 120
    learning_rate: float = 5e-4
    ema_decay: float = 0.95
    guidance_scale: float = 3.0
    batch_size: int = 16
    sampling_steps: int = 10
    batches_per_trajectory: int = 4
    omit_probability: float = 1.0


def sdd(
    pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print, *, config: SddConfig | None = None
) -> UnlearnedWeights:
    """Train ε*(x_t, c) towards the teacher's ε(x_t, ∅), with x_t partially denoised by the teacher under c.

    The teacher is the exponential moving average of the trained model, and is released. Only the cross-attention is trained.
    """
    start_time, config = time.process_time(), config or SddConfig()
    teacher, student = copy.deepcopy(components(pipeline).unet), copy.deepcopy(components(pipeline).unet)
    weights = set_trainable(student, cross_attention)
    teacher_weights = {name: teacher.get_parameter(name) for name in weights}
    empty_embeds = encode_prompts(pipeline, [""]).expand(config.batch_size, -1, -1)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def captions() -> list[str]:
        return name_captions(concept, rng, config.batch_size, config.omit_probability)

    latents = partially_denoised_batches(pipeline, teacher, captions, config, rng, generator)

    def loss() -> Tensor:
        x, t, prompt_embeds = next(latents)
        return matching_loss(student, teacher, x, t, prompt_embeds, empty_embeds)

    @torch.no_grad()
    def update_teacher() -> None:
        for name, weight in weights.items():
            teacher_weights[name].lerp_(weight, 1 - config.ema_decay)

    fine_tune(weights.values(), loss, config.steps, config.learning_rate, log, f"sdd {concept}", update_teacher)
    return UnlearnedWeights(to_release("unet", teacher_weights), (time.process_time() - start_time) / 60)
