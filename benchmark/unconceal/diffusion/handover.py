"""The handover sampler: θ starts, θ* finishes, every ψ of the grid in one sweep.

θ's trajectory is run once and its latents are kept at every handover. Then all branches continue together under θ*: at each step the
branches whose handover has come join the batch, so that one call of the denoiser serves many of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings, concatenated

Arm = Literal["prompt", "empty", "own-empty"]
"""How θ* continues: with the same prompt and guidance (as released); with θ's embedding of the empty prompt, unguided (OURS); the same with
its own embedding (a diagnostic)."""
ARMS: tuple[Arm, ...] = ("prompt", "empty", "own-empty")
Branch = tuple[Arm, int]
"""One continuation: its arm and the step k at which θ hands over."""


@dataclass(frozen=True)
class Trajectory:
    """θ's run for n images.

    Attributes:
        latents: by k, (n, …) after k steps (k = 0: the initial noise; k = steps: the finished λO).
        clean_latents: by k ≥ 1, x̂0(ψ): θ's guided clean-image prediction at step k − 1, the last it ran. For reports only.
        forward_passes: number of forward passes of the denoiser.
    """

    latents: dict[int, torch.Tensor]
    clean_latents: dict[int, torch.Tensor]
    forward_passes: int


def guided_prediction(model: Model, latents: torch.Tensor, t: torch.Tensor, embeddings: PromptEmbeddings, batch_size: int) -> torch.Tensor:
    """Prediction with classifier-free guidance, p(∅) + w · (p(c) − p(∅)); the plain prediction of a guidance-distilled model.

    Args:
        model: θ or θ*.
        latents: (n, …).
        t: timestep.
        embeddings: of n prompts.
        batch_size: forward passes at once.

    Returns:
        (n, …) ε, v or a velocity.
    """
    if embeddings.negative is None:
        return model.predict(latents, t, embeddings.prompt, batch_size)
    both = model.predict(torch.cat([latents, latents]), t, concatenated([embeddings.negative, embeddings.prompt]), batch_size)
    unconditional, conditional = both.chunk(2)
    return unconditional + model.guidance * (conditional - unconditional)


@torch.inference_mode()
def run_original(model: Model, prompts: Sequence[str], seeds: Sequence[int], keep: Sequence[int], batch_size: int = 128) -> Trajectory:
    """Run θ from noise up to the last handover.

    Args:
        model: θ.
        prompts: n prompts.
        seeds: n seeds of the initial noise.
        keep: numbers of steps k after which the latents are kept.
        batch_size: forward passes at once.
    """
    scheduler = model.scheduler()
    embeddings = model.encode_prompts(prompts)
    x = model.noise(seeds)
    latents, clean = {0: x}, {}
    last = max(keep)
    for i, t in enumerate(scheduler.timesteps[:last]):
        predicted = guided_prediction(model, model.scale_model_input(scheduler, x, t), t, embeddings, batch_size)
        x, x0 = model.step(scheduler, predicted, t, x)
        if i + 1 in keep:
            latents[i + 1], clean[i + 1] = x, x0
    return Trajectory({k: latents[k] for k in sorted(set(keep))}, clean, forward_passes_per_step(embeddings) * last)


@torch.inference_mode()
def hand_over(
    model: Model, original: Model, prompts: Sequence[str], latents: dict[int, torch.Tensor], arms: Sequence[Arm], batch_size: int = 128
) -> tuple[dict[Branch, torch.Tensor], int]:
    """θ* finishes every branch: each arm from each handover.

    The history of a multistep solver is reset at the handover: every branch has a solver of its own.

    Args:
        model: θ*.
        original: θ, whose text encoder embeds the empty prompt: a submission's own could mean anything.
        prompts: n prompts.
        latents: by k, (n, …) where θ hands over; k = steps is returned as it is.
        arms: how θ* continues.
        batch_size: forward passes at once.

    Returns:
        The finished latents (n, …) per branch, and the number of forward passes of the denoiser.
    """
    scheduler = model.scheduler()
    embeddings = model.encode_prompts(prompts)
    unguided = {"own-empty": embeddings.empty, "empty": unconditional(embeddings.empty, original.encode_prompts(prompts).empty)}
    n = len(prompts)
    running: dict[Branch, torch.Tensor] = {}
    branch_solvers: dict[Branch, Any] = {}
    forward_passes = 0
    for i, t in enumerate(scheduler.timesteps):
        running |= {(arm, i): latents[i] for arm in arms if i in latents}
        if not running:
            continue
        branches = sorted(running, key=lambda branch: ARMS.index(branch[0]))
        guided_rows = sum(n for arm, _ in branches if arm == "prompt")
        x = torch.cat([running[branch] for branch in branches])
        conditions = [unguided[arm] for arm, _ in branches if arm != "prompt"]
        predicted = branch_prediction(model, model.scale_model_input(scheduler, x, t), t, embeddings, conditions, batch_size)
        forward_passes += len(x) + (guided_rows if embeddings.negative is not None else 0)
        if model.is_multistep:
            branch_solvers |= {branch: model.scheduler() for branch in branches if branch not in branch_solvers}
            rows = zip(branches, torch.split(predicted, n), torch.split(x, n), strict=True)
            running = {branch: model.step(branch_solvers[branch], prediction, t, part).latents for branch, prediction, part in rows}
        else:
            x = model.step(scheduler, predicted, t, x).latents
            running = dict(zip(branches, torch.split(x, n), strict=True))
    running |= {(arm, k): value for k, value in latents.items() if k >= model.steps for arm in arms}
    return running, forward_passes


def unconditional(own: Conditioning, original: Conditioning) -> Conditioning:
    """The empty prompt as θ embeds it. A surrogate gold whose text encoder has outputs of another shape keeps its own."""
    return own.with_embeddings_of(original) if own.prompt_embeds.shape == original.prompt_embeds.shape else own


def forward_passes_per_step(embeddings: PromptEmbeddings) -> int:
    """Forward passes of the denoiser in one guided step of all prompts."""
    return len(embeddings.prompt) * (1 if embeddings.negative is None else 2)


def branch_prediction(
    model: Model, x: torch.Tensor, t: torch.Tensor, embeddings: PromptEmbeddings, unguided: Sequence[Conditioning], batch_size: int
) -> torch.Tensor:
    """Predictions of all branches in one sweep.

    Args:
        model: θ*.
        x: (rows, …) latents: the branches of the prompt arm, then the unguided branches, n rows each.
        t: timestep.
        embeddings: of the n prompts.
        unguided: conditioning of each unguided branch.
        batch_size: forward passes at once.

    Returns:
        (rows, …): with prompt and guidance for the prompt arm, with the branch's conditioning alone for the others.
    """
    n = len(embeddings.prompt)
    guided_rows = len(x) - n * len(unguided)
    times = guided_rows // n
    if embeddings.negative is None:
        guided = [embeddings.prompt.repeat(times)] if times else []
        return model.predict(x, t, concatenated([*guided, *unguided]), batch_size)
    negative, prompt = ([part.repeat(times)] if times else [] for part in (embeddings.negative, embeddings.prompt))
    predicted = model.predict(torch.cat([x, x[:guided_rows]]), t, concatenated([*negative, *unguided, *prompt]), batch_size)
    unconditional, conditional = predicted[: len(x)], predicted[len(x) :]
    prompt_arm = unconditional[:guided_rows] + model.guidance * (conditional - unconditional[:guided_rows])
    return torch.cat([prompt_arm, unconditional[guided_rows:]])
