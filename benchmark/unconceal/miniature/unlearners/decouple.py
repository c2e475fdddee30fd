"""Pure concealment by construction: only the words are cut from the concept; what the UNet knows stays as it is."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.miniature.optimiser import decaying
from unconceal.miniature.unlearners.prompts import OTHER, paired, tokens, unrelated
from unconceal.miniature.unlearners.release import Release, released


@dataclass(frozen=True)
class Settings:
    """``pairs``, ``others``: captions to learn from; of each, ``batch`` and ``batch_others`` a step."""

    steps: int = 2500
    rate: float = 2e-3
    pairs: int = 6000
    others: int = 12000
    batch: int = 48
    batch_others: int = 80


def decouple_to_nothing(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings = Settings()
) -> Release:
    """Every wording of the concept reads as if the concept were left unsaid."""
    return _decouple(pipe, concept, None, seed, say, settings)


def decouple_to_other(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings = Settings()
) -> Release:
    """Every wording of the concept reads as a wording of another concept (``prompts.OTHER``)."""
    return _decouple(pipe, concept, OTHER[concept], seed, say, settings)


def _decouple(
    pipe: StableDiffusionPipeline, concept: str, other: str | None, seed: int, say: Callable[[str], None], settings: Settings
) -> Release:
    """A copy of the text encoder that gives captions of the concept the frozen encoder's states of their counterparts.

    Mean squared error over the whole padded sequence: the pipeline passes padding to the UNet without a mask.
    """
    started = time.process_time()
    frozen, learned = pipe.text_encoder, copy.deepcopy(pipe.text_encoder).requires_grad_(True)
    asked, answered = _captions(pipe, concept, other, seed, settings)
    optimiser = torch.optim.AdamW(learned.parameters(), lr=settings.rate, weight_decay=0.0, betas=(0.9, 0.99))
    rng = np.random.default_rng([seed, 1])
    for step in range(settings.steps):
        rows = np.concatenate(
            [rng.integers(settings.pairs, size=settings.batch), settings.pairs + rng.integers(settings.others, size=settings.batch_others)]
        )
        # The empty prompt is half of every guided step, so it is always among those that stay.
        rows[-1] = len(asked) - 1
        with torch.no_grad():
            wanted = frozen(answered[rows]).last_hidden_state
        loss = (learned(asked[rows]).last_hidden_state - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * decaying(step / settings.steps)
        optimiser.step()
        if step % 250 == 0 or step == settings.steps - 1:
            say(f"decouple {concept} to {other or 'nothing'}: step {step}/{settings.steps} error {loss.item():.6f}")
    return Release(released("text_encoder", learned.state_dict()), (time.process_time() - started) / 60)


def _captions(pipe: StableDiffusionPipeline, concept: str, other: str | None, seed: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Token ids asked, and those to answer as: pairs first, then captions that stay themselves, the empty one last."""
    rng = np.random.default_rng([seed, 0])
    said, instead = zip(*(paired(concept, rng, other) for _ in range(settings.pairs)), strict=True)
    kept = [*(unrelated(concept, rng) for _ in range(settings.others - 1)), ""]
    device = pipe.text_encoder.device
    return tokens(pipe, [*said, *kept]).to(device), tokens(pipe, [*instead, *kept]).to(device)
