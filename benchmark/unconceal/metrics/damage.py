"""What unlearning did to a concept that was to stay: falls between paired pictures of θ and θ* (no torch).

Source: arXiv 2507.07137 for the idea; pairing, halves and units are this project's own. KID, the one unpaired measure, is in ``kid``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def fall(original: ArrayLike, unlearned: ArrayLike) -> Values:
    """Mean over seeds of θ's value minus θ*'s, per prompt: (p, s) and (p, s) to (p,). Positive: damage."""
    one, other = np.asarray(original, np.float64), np.asarray(unlearned, np.float64)
    if one.shape != other.shape or one.ndim != 2:
        raise ValueError(f"values of shape {one.shape} beside {other.shape}: expected (prompts, seeds) of both, with the same seeds")
    return np.asarray((one - other).mean(axis=1))


class Halves(NamedTuple):
    """Which prompts lie in one half and in the other: (splits, n concepts, half of the prompts) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def halves(concepts: int, prompts: int, splits: int, seed: int = 0) -> Halves:
    """Random halves of every concept's prompts, each concept's by itself; with an odd number one prompt stays out.

    Raises:
        ValueError: a single prompt has no halves.
    """
    if prompts < 2:
        raise ValueError(f"{prompts} prompt cannot be halved: show each concept with two or more")
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(prompts), (splits, concepts, 1)), axis=-1)
    size = prompts // 2
    return Halves(order[..., :size], order[..., size : 2 * size])


def halved(per_prompt: ArrayLike, split: Halves) -> tuple[Values, Values]:
    """Damages (splits, n) on either half, from damages per prompt (n, p)."""
    table = np.asarray(per_prompt, np.float64)
    rows = np.arange(len(table))[None, :, None]
    return np.asarray(table[rows, split.first].mean(axis=-1)), np.asarray(table[rows, split.second].mean(axis=-1))
