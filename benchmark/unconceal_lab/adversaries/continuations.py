"""Half-denoised latents of θ, and how an adversary should continue them: the training data of the UNet adversaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import components, encode_prompts
from unconceal_lab.unlearners.denoising_loss import GUIDANCE_SCALE, trajectory

Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Predicted noise (m, c, h, w) of latents (m, c, h, w) at a timestep; the last argument is their rows (m,) in the continued batch."""
BATCH_SIZE = 64


class NoiseTargets(NamedTuple):
    """Predictions to learn.

    Attributes:
        x: latents (n, c, h, w).
        t: timesteps (n,).
        prompt_embeds: embeddings that the UNet is given with them (n, length, width).
        noise: the noise to predict (n, c, h, w).
    """

    x: Tensor
    t: Tensor
    prompt_embeds: Tensor
    noise: Tensor

    def select(self, rows: Tensor) -> NoiseTargets:
        return NoiseTargets(*(part[rows] for part in self))


class States(NamedTuple):
    """Latents on the way to images.

    Attributes:
        x: latents (n, c, h, w).
        t: timesteps (n,).
        rows: which prompt each belongs to (n,).
        noise: noise predicted for them, by which they were denoised further (n, c, h, w).
    """

    x: Tensor
    t: Tensor
    rows: Tensor
    noise: Tensor


def joined(parts: Sequence[NoiseTargets]) -> NoiseTargets:
    """All targets in one."""
    return NoiseTargets(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def original_path(
    pipeline: StableDiffusionPipeline, prompt_embeds: Tensor, steps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """θ's own guided denoising: timesteps (steps,) and latents (steps + 1, n, c, h, w)."""
    empty_embeds = encode_prompts(pipeline, [""]).expand(len(prompt_embeds), -1, -1)
    unet, scheduler = components(pipeline).unet, components(pipeline).scheduler
    return trajectory(unet, scheduler, prompt_embeds, empty_embeds, steps, GUIDANCE_SCALE, generator)


@torch.no_grad()
def continued(predict: Predictor, scheduler: Any, path: Tensor, handovers: Sequence[int]) -> States:
    """Take over θ's trajectories and finish them by DDIM.

    Args:
        predict: predicts the noise of the continuation.
        scheduler: its configuration is used.
        path: latents (steps + 1, n, c, h, w) before each step of θ.
        handovers: each row is taken over after each of these steps.

    Returns:
        Every state from the handovers on, once.
    """
    schedulers: Any = DDIMScheduler
    scheduler = schedulers.from_config(scheduler.config)
    scheduler.set_timesteps(len(path) - 1)
    n, parts = path.shape[1], list[States]()
    x, rows = path[0, :0], torch.arange(0)
    for step, t in enumerate(scheduler.timesteps):
        if step in handovers:
            x, rows = torch.cat([x, path[step]]), torch.cat([rows, torch.arange(n)])
        if len(x):
            groups = zip(torch.split(x, BATCH_SIZE), torch.split(rows, BATCH_SIZE), strict=True)
            noise = torch.cat([predict(part, t, part_rows) for part, part_rows in groups])
            parts.append(States(x, t.expand(len(x)), rows, noise))
            x = scheduler.step(noise, t, x).prev_sample
    return States(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def guided_by(unet: Any, prompt_embeds: Tensor, empty_embeds: Tensor, guidance_scale: float) -> Predictor:
    """ε(x, ∅) + w (ε(x, c) − ε(x, ∅)) of a UNet; c is (n, length, width) by row, ∅ (1, length, width)."""

    def predict(x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        embeds = torch.cat([empty_embeds.expand(len(x), -1, -1), prompt_embeds[rows]])
        unconditional, conditional = unet(torch.cat([x, x]), t, embeds).sample.chunk(2)
        result: Tensor = unconditional + guidance_scale * (conditional - unconditional)
        return result

    return predict


def unguided(unet: Any, empty_embeds: Tensor) -> Predictor:
    """ε(x, ∅) of a UNet."""

    def predict(x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        result: Tensor = unet(x, t, empty_embeds.expand(len(x), -1, -1)).sample
        return result

    return predict


def retained_targets(
    pipeline: StableDiffusionPipeline, texts: list[str], steps: int, handovers: Sequence[int], generator: torch.Generator
) -> NoiseTargets:
    """θ's own predictions for other captions: along its guided denoising with and without caption, and in its unguided continuations."""
    unet, prompt_embeds, empty_embeds = components(pipeline).unet, encode_prompts(pipeline, texts), encode_prompts(pipeline, [""])
    times, path = original_path(pipeline, prompt_embeds, steps, generator)
    x, t = path[:-1].flatten(0, 1), times.repeat_interleave(len(texts))
    guided = [targets_of(unet, x, t, embeds) for embeds in (prompt_embeds.repeat(len(times), 1, 1), empty_embeds.expand(len(x), -1, -1))]
    states = continued(unguided(unet, empty_embeds), components(pipeline).scheduler, path, handovers)
    return joined([*guided, NoiseTargets(states.x, states.t, empty_embeds.expand(len(states.x), -1, -1), states.noise)])


@torch.no_grad()
def targets_of(unet: Any, x: Tensor, t: Tensor, prompt_embeds: Tensor) -> NoiseTargets:
    """The UNet's own predictions as targets."""
    parts = zip(*(torch.split(part, BATCH_SIZE) for part in (x, t, prompt_embeds)), strict=True)
    return NoiseTargets(x, t, prompt_embeds, torch.cat([unet(*part).sample for part in parts]))


def batch_rows(n: int, batch_size: int, rng: np.random.Generator) -> Tensor:
    """Random rows of ``n``, with replacement."""
    return torch.from_numpy(rng.integers(n, size=batch_size))
