"""The handover of protocol ``paper``: PNDM, a multistep solver whose history is reset at the handover, as released.

A fresh PNDM spends its first two evaluations on one interval: it steps, then repeats the step with the mean of both predictions. A restart
in the middle therefore never takes the second interval, whose noise stays in the image (docs/concepts/paper-protocol.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import PNDMScheduler

from unconceal.diffusion.guidance import guided_prediction
from unconceal.diffusion.handover import prompt_guidance
from unconceal.diffusion.model import Model


def pndm_scheduler(model: Model) -> PNDMScheduler:
    """A fresh PNDM without Runge-Kutta steps over the model's noise schedule, as Stable Diffusion 1.x ships it."""
    scheduler: PNDMScheduler = PNDMScheduler.from_config(model.pipeline.scheduler.config, skip_prk_steps=True)
    scheduler.set_timesteps(model.steps, device=model.device)
    return scheduler


def pndm_timesteps(steps: int, train_steps: int = 1000, offset: int = 1) -> tuple[int, ...]:
    """The ``steps`` + 1 timesteps of PNDM, descending; the second occurs twice."""
    ratio = train_steps // steps
    even = [i * ratio + offset for i in reversed(range(steps))]
    return (even[0], even[1], *even[1:])


@torch.inference_mode()
def run_pndm_from(
    model: Model, prompts: Sequence[str], latents: torch.Tensor, start: int = 0, keep: Sequence[int] = (), batch_size: int = 128
) -> tuple[torch.Tensor, dict[int, torch.Tensor], int]:
    """Run a fresh PNDM from the ``start``-th evaluation to the last.

    Args:
        model: θ or θ*.
        prompts: n prompts.
        latents: (n, c, h, w) at the ``start``-th evaluation.
        start: evaluations already done.
        keep: evaluations k after which the latents are kept, counted from the first; k = 0: the latents given.
        batch_size: forward passes at once.

    Returns:
        The finished latents, those kept by k, and the number of forward passes of the denoiser.
    """
    scheduler, guidance, x = pndm_scheduler(model), prompt_guidance(model, prompts), latents
    kept_latents, forward_passes = {0: x} if 0 in keep else {}, 0
    for k, t in enumerate(scheduler.timesteps[start:], start=start + 1):
        predicted, passes = guided_prediction(model, x, t, guidance, k - 1, batch_size)
        x, forward_passes = scheduler.step(predicted, t, x).prev_sample, forward_passes + passes
        if k in keep:
            kept_latents[k] = x
    return x, kept_latents, forward_passes
