"""The handover sampler: θ starts, θ* finishes, every ψ of the grid in one sweep.

θ's trajectory is run once and its latents are kept at every handover. Then all branches continue together under θ*: at
each step the branches whose handover has come join the batch, so that one denoiser call serves many of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings, concatenated

Arm = Literal["prompt", "empty"]
"""How θ* goes on: with the same prompt and guidance (as released), or with its own empty prompt, unguided (OURS)."""
Branch = tuple[Arm, int]
"""One continuation: its arm and the step k at which θ hands over."""


@dataclass(frozen=True)
class Trajectory:
    """θ's run for n images.

    ``latents[k]`` (n, …): after k of its steps (k = 0: the initial noise; k = steps: the finished λO).
    ``clean[k]``, k ≥ 1: x̂0(ψ), θ's guided clean-image prediction at step k − 1, the last it ran. A picture for reports.
    """

    latents: dict[int, torch.Tensor]
    clean_latents: dict[int, torch.Tensor]
    forward_passes: int
    """Rows that went through the denoiser."""


def guided_prediction(model: Model, latents: torch.Tensor, t: torch.Tensor, told: PromptEmbeddings, batch: int) -> torch.Tensor:
    """The prediction with classifier-free guidance, p(∅) + w · (p(c) − p(∅)), or that of a model that has its guidance built in."""
    if told.negative is None:
        return model.predict(latents, t, told.prompt, batch)
    both = model.predict(torch.cat([latents, latents]), t, concatenated([told.negative, told.prompt]), batch)
    unconditional, conditional = both.chunk(2)
    return unconditional + model.guidance * (conditional - unconditional)


@torch.inference_mode()
def run_original(model: Model, prompts: Sequence[str], seeds: Sequence[int], keep: Sequence[int], batch_size: int = 128) -> Trajectory:
    """θ from noise to picture, keeping the latents after each k of ``keep``."""
    scheduler = model.scheduler()
    told = model.encode_prompts(prompts)
    x = model.noise(seeds)
    latents, clean = {0: x}, {}
    last = max(keep)
    for i, t in enumerate(scheduler.timesteps[:last]):
        x, x0 = model.step(scheduler, guided_prediction(model, model.scale_model_input(scheduler, x, t), t, told, batch_size), t, x)
        if i + 1 in keep:
            latents[i + 1], clean[i + 1] = x, x0
    return Trajectory({k: latents[k] for k in sorted(set(keep))}, clean, forward_passes_per_step(told) * last)


@torch.inference_mode()
def hand_over(
    model: Model, prompts: Sequence[str], latents: dict[int, torch.Tensor], arms: Sequence[Arm], batch_size: int = 128
) -> tuple[dict[Branch, torch.Tensor], int]:
    """θ* finishes every branch: each arm from each ``latents[k]`` (n, c, h, w) on.

    A solver that remembers begins anew in every branch: θ* knows nothing of what θ predicted.
    Returns the finished latents per branch and the rows that went through the denoiser. k = steps is left as it is.
    """
    scheduler = model.scheduler()
    told = model.encode_prompts(prompts)
    n = len(prompts)
    running: dict[Branch, torch.Tensor] = {}
    own: dict[Branch, Any] = {}
    evaluations = 0
    for i, t in enumerate(scheduler.timesteps):
        running |= {(arm, i): latents[i] for arm in arms if i in latents}
        if not running:
            continue
        branches = sorted(running, key=lambda branch: branch[0] == "empty")
        guided_rows = sum(n for arm, _ in branches if arm == "prompt")
        x = torch.cat([running[branch] for branch in branches])
        predicted = two_arm_prediction(model, model.scale_model_input(scheduler, x, t), t, told, guided_rows, batch_size)
        evaluations += len(x) + (guided_rows if told.negative is not None else 0)
        if model.is_multistep:
            own |= {branch: model.scheduler() for branch in branches if branch not in own}
            rows = zip(branches, torch.split(predicted, n), torch.split(x, n), strict=True)
            running = {branch: model.step(own[branch], guess, t, part).latents for branch, guess, part in rows}
        else:
            x = model.step(scheduler, predicted, t, x).latents
            running = dict(zip(branches, torch.split(x, n), strict=True))
    running |= {(arm, k): value for k, value in latents.items() if k >= model.steps for arm in arms}
    return running, evaluations


def forward_passes_per_step(told: PromptEmbeddings) -> int:
    """Rows that one guided step takes."""
    return len(told.prompt) * (1 if told.negative is None else 2)


def two_arm_prediction(model: Model, x: torch.Tensor, t: torch.Tensor, told: PromptEmbeddings, guided_rows: int, batch: int) -> torch.Tensor:
    """Predictions of all rows in one sweep: the first ``guided_rows`` with prompt and guidance, the rest with the empty prompt alone."""
    n = len(told.prompt)
    guided_times, empty_times = guided_rows // n, (len(x) - guided_rows) // n
    if told.negative is None:
        alone = [(told.prompt, guided_times), (told.empty, empty_times)]
        return model.predict(x, t, concatenated([part.repeat(times) for part, times in alone if times]), batch)
    parts = [(told.negative, guided_times), (told.empty, empty_times), (told.prompt, guided_times)]
    condition = concatenated([part.repeat(times) for part, times in parts if times])
    predicted = model.predict(torch.cat([x, x[:guided_rows]]), t, condition, batch)
    unconditional, conditional = predicted[: len(x)], predicted[len(x) :]
    steered = unconditional[:guided_rows] + model.guidance * (conditional - unconditional[:guided_rows])
    return torch.cat([steered, unconditional[guided_rows:]])
