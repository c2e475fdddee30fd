"""The handover sampler: θ starts, θ* finishes, every ψ of the grid in one sweep.

θ's trajectory is run once and its latents are kept at every handover. Then all branches continue together under θ*: at each step the
branches whose handover has come join the batch, so that one call of the denoiser serves many of them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from unconceal.diffusion.guidance import ClassifierFreeGuidance, Guidance, GuidedRows, guided_prediction, plain_guidance, predict_branches
from unconceal.diffusion.inference_rules import rule_guidance
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings

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
    guidance = prompt_guidance(model, prompts)
    x = model.noise(seeds)
    latents, clean = {0: x}, {}
    forward_passes = 0
    for i, t in enumerate(scheduler.timesteps[: max(keep)]):
        predicted, passes = guided_prediction(model, model.scale_model_input(scheduler, x, t), t, guidance, i, batch_size)
        forward_passes += passes
        x, x0 = model.step(scheduler, predicted, t, x)
        if i + 1 in keep:
            latents[i + 1], clean[i + 1] = x, x0
    return Trajectory({k: latents[k] for k in sorted(set(keep))}, clean, forward_passes)


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
    guidance = {arm: arm_guidance(model, original, prompts, arm) for arm in arms}
    n = len(prompts)
    running: dict[Branch, torch.Tensor] = {}
    branch_guidance: dict[Branch, Guidance] = {}
    branch_solvers: dict[Branch, Any] = {}
    forward_passes = 0
    for i, t in enumerate(scheduler.timesteps):
        running |= {(arm, i): latents[i] for arm in arms if i in latents}
        if not running:
            continue
        branches = sorted(running, key=lambda branch: ARMS.index(branch[0]))
        # A rule may have a history, as a multistep solver has: every branch starts with one of its own.
        branch_guidance |= {branch: copy.copy(guidance[branch[0]]) for branch in branches if branch not in branch_guidance}
        x = torch.cat([running[branch] for branch in branches])
        scaled = torch.split(model.scale_model_input(scheduler, x, t), n)
        rows = [GuidedRows(part, branch_guidance[branch]) for branch, part in zip(branches, scaled, strict=True)]
        predicted, passes = predict_branches(model, rows, t, i, batch_size)
        forward_passes += passes
        if model.is_multistep:
            branch_solvers |= {branch: model.scheduler() for branch in branches if branch not in branch_solvers}
            parts = zip(branches, predicted, torch.split(x, n), strict=True)
            running = {branch: model.step(branch_solvers[branch], prediction, t, part).latents for branch, prediction, part in parts}
        else:
            x = model.step(scheduler, torch.cat(predicted), t, x).latents
            running = dict(zip(branches, torch.split(x, n), strict=True))
    running |= {(arm, k): value for k, value in latents.items() if k >= model.steps for arm in arms}
    return running, forward_passes


def arm_guidance(model: Model, original: Model, prompts: Sequence[str], arm: Arm) -> Guidance:
    """How an arm is guided.

    The unguided arms are the empty prompt with the model's own guidance: p(∅) + w · (p(∅) − p(∅)) is p(∅), which needs one forward pass.
    So an inference rule acts in them as it does on an empty prompt.
    """
    if arm == "prompt":
        return prompt_guidance(model, prompts)
    empty = model.encode_prompts(prompts).empty
    if arm == "empty":
        empty = unconditional(empty, original.encode_prompts(prompts).empty)
    if model.rule is None:
        return ClassifierFreeGuidance(empty)
    return rule_guidance(model, [""] * len(prompts), PromptEmbeddings(empty, None, empty))


def prompt_guidance(model: Model, prompts: Sequence[str]) -> Guidance:
    """Guidance by prompts, under the model's inference rule if it has one."""
    embeddings = model.encode_prompts(prompts)
    return plain_guidance(model, embeddings) if model.rule is None else rule_guidance(model, prompts, embeddings)


def unconditional(own: Conditioning, original: Conditioning) -> Conditioning:
    """The empty prompt as θ embeds it. A surrogate gold whose text encoder has outputs of another shape keeps its own."""
    return own.with_embeddings_of(original) if own.prompt_embeds.shape == original.prompt_embeds.shape else own
