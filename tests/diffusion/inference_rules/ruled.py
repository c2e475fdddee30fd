"""Tiny models with a rule, and one denoising step after another written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import StableDiffusionPipeline

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import ARMS, Arm, Branch, hand_over, run_original
from unconceal.specs.inference_rule import InferenceRule

STEPS, GUIDANCE = 6, 5.0
PROMPTS, SEEDS = ("a red star on a white background", "a drawing of zara", "star"), (7, 90_001, 3)
TOLERANCE = 1e-4
"""Largest difference of a latent, in float32."""


def ruled(pipe: StableDiffusionPipeline, rule: InferenceRule | None) -> StableDiffusion:
    return StableDiffusion(pipe, STEPS, GUIDANCE, rule=rule)


def finished(pipe: StableDiffusionPipeline, rule: InferenceRule | None, arms: Sequence[Arm] = ARMS[:2]) -> dict[Branch, torch.Tensor]:
    """Latents of every branch from k = 0, 2 and 6."""
    original = ruled(pipe, None)
    run = run_original(original, PROMPTS, SEEDS, (0, 2, STEPS))
    return hand_over(ruled(pipe, rule), original, PROMPTS, run.latents, arms)[0]


def embedded(pipe: StableDiffusionPipeline, text: str) -> torch.Tensor:
    """(1, tokens, width)."""
    embeds: torch.Tensor = pipe.encode_prompt([text], "cpu", 1, False)[0]
    return embeds


@torch.no_grad()
def denoised(
    pipe: StableDiffusionPipeline,
    latents: torch.Tensor,
    start: int,
    predict: Callable[[Any, torch.Tensor, torch.Tensor, int], torch.Tensor],
) -> torch.Tensor:
    """DDIM from step ``start``; ``predict(unet, x, t, step)``: the guided prediction of one image."""
    scheduler = ruled(pipe, None).scheduler()
    for step, t in enumerate(scheduler.timesteps):
        if step >= start:
            latents = scheduler.step(predict(pipe.unet, latents, t, step), t, latents).prev_sample
    return latents
