"""Damage to concepts that should stay: paired differences between θ and θ*, and split halves of prompts (no torch).

Source: arXiv 2507.07137 for the idea; pairing, halves and units are this project's own. KID, the unpaired measure, is in ``kid``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unconceal.metrics.statistics import FloatArray


def mean_drop(original: ArrayLike, unlearned: ArrayLike) -> FloatArray:
    """Mean over seeds of θ's value minus θ*'s, per prompt.

    Args:
        original: (p, s) a score of θ's images per prompt and seed.
        unlearned: (p, s) the same of θ*'s images, on the same seeds.

    Returns:
        (p,) differences in the unit of the score. Positive: damage.

    Raises:
        ValueError: the shapes differ or are not two-dimensional.
    """
    before, after = np.asarray(original, np.float64), np.asarray(unlearned, np.float64)
    if before.shape != after.shape or before.ndim != 2:
        raise ValueError(f"values of shape {before.shape} and {after.shape}: expected (prompts, seeds) of both, with the same seeds")
    return np.asarray((before - after).mean(axis=1))


class PromptHalves(NamedTuple):
    """Indices of the prompts in each half, (n_splits, n_concepts, n_prompts // 2) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def split_prompts(n_concepts: int, n_prompts: int, n_splits: int, seed: int = 0) -> PromptHalves:
    """Random halves of each concept's prompts, drawn independently per concept. With an odd number one prompt is left out.

    Args:
        n_concepts: concepts.
        n_prompts: prompts of each concept.
        n_splits: random splits.
        seed: of the random generator.

    Returns:
        Disjoint halves of equal size.

    Raises:
        ValueError: fewer than two prompts.
    """
    if n_prompts < 2:
        raise ValueError(f"{n_prompts} prompt cannot be halved: show each concept with two or more")
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(n_prompts), (n_splits, n_concepts, 1)), axis=-1)
    size = n_prompts // 2
    return PromptHalves(order[..., :size], order[..., size : 2 * size])


def half_means(per_prompt: ArrayLike, halves: PromptHalves) -> tuple[FloatArray, FloatArray]:
    """Damage of each concept on either half of its prompts.

    Args:
        per_prompt: (n, p) damage of n concepts per prompt.
        halves: from :func:`split_prompts`.

    Returns:
        Two arrays (n_splits, n), in the unit of ``per_prompt``.
    """
    table = np.asarray(per_prompt, np.float64)
    rows = np.arange(len(table))[None, :, None]
    return np.asarray(table[rows, halves.first].mean(axis=-1)), np.asarray(table[rows, halves.second].mean(axis=-1))
