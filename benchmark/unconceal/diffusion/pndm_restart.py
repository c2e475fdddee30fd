"""The handover of protocol ``paper``: a multistep solver (PNDM) whose history starts anew where θ* takes over, as released.

A fresh PNDM spends its first two evaluations on one interval: it steps, then steps again from where it began with the mean of both
predictions. Started in the middle, it so never takes the second interval, whose noise stays in the picture (docs/concepts/paper-protocol.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import PNDMScheduler

from unconceal.diffusion.handover import guided_prediction
from unconceal.diffusion.model import Model


def pndm_scheduler(model: Model) -> PNDMScheduler:
    """PNDM without Runge-Kutta steps over the model's noise schedule, as Stable Diffusion 1.x ships it; its history is empty."""
    made: PNDMScheduler = PNDMScheduler.from_config(model.pipeline.scheduler.config, skip_prk_steps=True)
    made.set_timesteps(model.steps, device=model.device)
    return made


def pndm_timesteps(steps: int, train_steps: int = 1000, offset: int = 1) -> tuple[int, ...]:
    """What PNDM evaluates at, descending, ``steps`` + 1 of them: the second stands twice."""
    ratio = train_steps // steps
    even = [i * ratio + offset for i in reversed(range(steps))]
    return (even[0], even[1], *even[1:])


@torch.inference_mode()
def run_pndm_from(
    model: Model, prompts: Sequence[str], latents: torch.Tensor, start: int = 0, keep: Sequence[int] = (), batch_size: int = 128
) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """A fresh solver from the ``start``-th evaluation to the last.

    Returns the finished latents, and those after each k of ``keep`` (counted from the first evaluation; k = 0: as given).
    """
    steps, told, x = pndm_scheduler(model), model.encode_prompts(prompts), latents
    kept = {0: x} if 0 in keep else {}
    for k, t in enumerate(steps.timesteps[start:], start=start + 1):
        x = steps.step(guided_prediction(model, x, t, told, batch_size), t, x).prev_sample
        if k in keep:
            kept[k] = x
    return x, kept
