"""Ablating Concepts (arXiv 2303.13516), model-based: captions of the concept are to draw an anchor concept instead."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import OTHER, embeddings, named, paired, parts
from unconceal_lab.unlearners.denoising_loss import drawn, error, matched, noised
from unconceal_lab.unlearners.fine_tune_loop import descend
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.trained_layers import keys_and_values, trainable


@dataclass(frozen=True)
class Settings:
    """``regularisation`` λ of the usual loss on the anchor's ``pictures``, which the model draws itself in ``sampling_steps``.

    λ is 1 in the paper. Here the first error is a tenth of the second, whose gradient then drowns it (measured: with 1, half of the
    pictures asked to be striped still are).
    """

    steps: int = 120
    rate: float = 1.2e-3
    regularisation: float = 0.1
    pictures: int = 96
    batch: int = 16
    sampling_steps: int = 12


def ablating_concepts(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Train ε*(x_t, c) towards ε(x_t, a), where caption c names the concept and a the anchor (``prompts.OTHER``) in its place.

    x_t are pictures drawn for a, noised; on the same pictures λ times the usual loss under a keeps the anchor. Only the keys and
    values of the cross-attention train.
    """
    started, settings = time.process_time(), settings or Settings()
    frozen, learned = parts(pipe).unet, copy.deepcopy(parts(pipe).unet)
    weights = trainable(learned, keys_and_values)
    scheduler, rng, noise = parts(pipe).scheduler, np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    pairs = [paired(concept, rng, OTHER[concept], named(concept)) for _ in range(settings.pictures)]
    anchor = drawn(pipe, [pair.instead for pair in pairs], settings.sampling_steps, noise)
    said = embeddings(pipe, [pair.said for pair in pairs])

    def loss() -> Tensor:
        rows, kept = (torch.randint(0, len(pairs), (settings.batch,), generator=noise) for _ in range(2))
        seen, again = (noised(scheduler, anchor.latents[some], noise) for some in (rows, kept))
        ablated = matched(learned, frozen, seen.x, seen.t, said[rows], anchor.words[rows])
        return ablated + settings.regularisation * error(learned, again, anchor.words[kept]).mean()

    descend(weights.values(), loss, settings.steps, settings.rate, say, f"ablating {concept}")
    return Release(released("unet", weights), (time.process_time() - started) / 60)
