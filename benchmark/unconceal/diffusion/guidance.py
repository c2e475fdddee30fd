"""Guidance: the conditionings under which the denoiser is called at a step, and how its predictions become one.

Rows of several branches go through the denoiser together: first every branch's first conditioning, then every second one, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings, concatenated


class Guidance(Protocol):
    """The guidance of n rows of one branch."""

    def conditions(self, step: int) -> Sequence[Conditioning]:
        """The conditionings of n rows each under which the denoiser is called at a step, which is counted from the first of the run."""
        ...

    def combine(self, predictions: Sequence[torch.Tensor], step: int) -> torch.Tensor:
        """The guided prediction (n, …) from one prediction for each of :meth:`conditions`."""
        ...


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """p(negative) + scale · (p(prompt) − p(negative)); without a negative conditioning the plain prediction p(prompt)."""

    prompt: Conditioning
    negative: Conditioning | None = None
    scale: float = 1.0

    def conditions(self, step: int) -> Sequence[Conditioning]:
        return (self.prompt,) if self.negative is None else (self.negative, self.prompt)

    def combine(self, predictions: Sequence[torch.Tensor], step: int) -> torch.Tensor:
        if self.negative is None:
            return predictions[0]
        unconditional, conditional = predictions
        return unconditional + self.scale * (conditional - unconditional)


def plain_guidance(model: Model, embeddings: PromptEmbeddings) -> ClassifierFreeGuidance:
    """A model's own guidance by prompts; a guidance-distilled model has it built in."""
    return ClassifierFreeGuidance(embeddings.prompt, embeddings.negative, model.guidance)


class GuidedRows(NamedTuple):
    """Rows that are guided together: latents (n, …), scaled for the denoiser, and their guidance."""

    latents: torch.Tensor
    guidance: Guidance


def predict_branches(
    model: Model, branches: Sequence[GuidedRows], t: torch.Tensor, step: int, batch_size: int
) -> tuple[list[torch.Tensor], int]:
    """Guided predictions of all branches in one sweep.

    Args:
        model: θ or θ*.
        branches: their rows.
        t: timestep.
        step: its number, counted from the first of the run.
        batch_size: forward passes at once.

    Returns:
        (n, …) for each branch, and the number of forward passes.
    """
    conditions = [branch.guidance.conditions(step) for branch in branches]
    places = [(i, j) for j in range(max(map(len, conditions))) for i in range(len(branches)) if j < len(conditions[i])]
    rows = [branches[i].latents for i, _ in places]
    predicted = model.predict(torch.cat(rows), t, concatenated([conditions[i][j] for i, j in places]), batch_size)
    by_place = dict(zip(places, torch.split(predicted, list(map(len, rows))), strict=True))
    guided = [branch.guidance.combine([by_place[i, j] for j in range(len(conditions[i]))], step) for i, branch in enumerate(branches)]
    return guided, len(predicted)


def guided_prediction(
    model: Model, latents: torch.Tensor, t: torch.Tensor, guidance: Guidance, step: int, batch_size: int
) -> tuple[torch.Tensor, int]:
    """The guided prediction (n, …) of one branch, ε, v or a velocity, and the number of forward passes."""
    (predicted,), forward_passes = predict_branches(model, [GuidedRows(latents, guidance)], t, step, batch_size)
    return predicted, forward_passes
