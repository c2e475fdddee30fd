"""Pure concealment by construction: only the words are cut from the concept; what the UNet knows stays as it is."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.models.optimizer import MuonAdamW, decaying
from unconceal_lab.unlearners.concept_captions import OTHER, embeddings, paired, parts, tokens, unrelated
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.token_alignment import counterparts


@dataclass(frozen=True)
class Settings:
    """``pairs``, ``others``: captions to learn from; ``batch`` and ``batch_others`` of them are seen in a step."""

    steps: int = 800
    muon_rate: float = 5e-3
    adam_rate: float = 3e-3
    pairs: int = 3000
    others: int = 6000
    batch: int = 48
    batch_others: int = 80


def decouple_to_nothing(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Every wording of the concept reads as if the concept were left unsaid."""
    return _decouple(pipe, concept, None, seed, say, settings or Settings())


def decouple_to_other(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Every wording of the concept reads as a wording of another concept (``prompts.OTHER``)."""
    return _decouple(pipe, concept, OTHER[concept], seed, say, settings or Settings())


def _decouple(
    pipe: StableDiffusionPipeline, concept: str, other: str | None, seed: int, say: Callable[[str], None], settings: Settings
) -> Release:
    """A copy of the text encoder that gives captions of the concept the frozen encoder's states of their counterparts.

    Mean squared error over the whole padded sequence: the pipeline passes padding to the UNet without a mask.
    """
    started = time.process_time()
    learned: Any = copy.deepcopy(parts(pipe).text_encoder).requires_grad_(True)
    asked, wanted = lessons(pipe, concept, other, seed, settings)
    optimiser = MuonAdamW(learned, settings.muon_rate, settings.adam_rate, embeddings=("embeddings.", "text_model.embeddings."))
    rng = np.random.default_rng([seed, 1])
    for step in range(settings.steps):
        kept = settings.pairs + rng.integers(settings.others, size=settings.batch_others)
        rows = np.concatenate([rng.integers(settings.pairs, size=settings.batch), kept])
        # The empty prompt is half of every guided step, so it is always among those that stay.
        rows[-1] = len(asked) - 1
        loss = (learned(asked[rows]).last_hidden_state - wanted[rows]).square().mean()
        loss.backward()
        optimiser.step(decaying(step / settings.steps))
        if step % 100 == 0 or step == settings.steps - 1:
            say(f"decouple {concept} to {other or 'nothing'}: step {step}/{settings.steps} error {loss.item():.6f}")
    return Release(released("text_encoder", learned.state_dict()), (time.process_time() - started) / 60)


def lessons(pipe: StableDiffusionPipeline, concept: str, other: str | None, seed: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Token ids (n, length) and the states (n, length, width) to give: pairs, then captions that stay, the empty one last."""
    rng = np.random.default_rng([seed, 0])
    pairs = [paired(concept, rng, other) for _ in range(settings.pairs)]
    kept = [*(unrelated(concept, rng) for _ in range(settings.others - 1)), ""]
    said = embeddings(pipe, [pair.said for pair in pairs])
    asked = tokens(pipe, [*(pair.said for pair in pairs), *kept]).to(said.device)
    return asked, torch.cat([counterparts(pipe, concept, pairs, said), embeddings(pipe, kept)])
