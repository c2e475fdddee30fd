"""Rank correlation of proximity and damage: were the concepts that a ranker calls near the target damaged most?

Pure functions of arrays (no torch). ``proximity``: higher is nearer to the target; ``damage``: higher is worse. Positive ρ: nearer
concepts are damaged more, as arXiv 2507.07137 expects. How ρ is bounded and compared is this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from unconceal.metrics.statistics import FloatArray, Interval, normal_quantile

MIN_CONCEPTS = 4
"""Fewer concepts have no interval."""


class SpearmanResult(NamedTuple):
    """Spearman's ρ of two orders of n concepts."""

    rho: float
    """In [−1, 1]."""
    interval: Interval
    """95 % interval of ρ."""
    p: float
    """Two-sided permutation p."""
    n: int
    ties: int
    """Pairs of concepts that are tied in either order."""


def correlate(proximity: ArrayLike, damage: ArrayLike, n_resamples: int = 10_000, seed: int = 0) -> SpearmanResult | None:
    """Spearman's ρ of proximity and damage.

    Args:
        proximity: (n,) higher is nearer to the target.
        damage: (n,) higher is worse.
        n_resamples: random permutations behind p; all of them (exact) where there are no more than that.
        seed: of the permutations.

    Returns:
        None below four concepts, and where one side is constant.

    Raises:
        ValueError: unequal lengths, or a value that is NaN or infinite.
    """
    x, y = as_pairs(proximity, damage)
    rho = spearman(x, y)
    if rho is None:
        return None
    p = permutation_null(x, y, n_resamples, seed).p
    return SpearmanResult(rho, spearman_interval(rho, len(x)), p, len(x), tied_pairs(x, y))


def spearman(proximity: ArrayLike, damage: ArrayLike) -> float | None:
    """ρ in [−1, 1] alone; arguments, None and errors as in :func:`correlate`."""
    x, y = as_pairs(proximity, damage)
    if len(x) < MIN_CONCEPTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(stats.spearmanr(x, y).statistic)


def spearman_interval(rho: float, n: int, level: float = 0.95) -> Interval:
    """tanh(atanh ρ ± z √((1 + ρ²/2) / (n − 3))): Fisher's z with the variance of Bonett & Wright (Psychometrika 65, 2000, 23).

    The interval ignores the measurement error of the damage: :func:`split_half` measures how far that lowers ρ.

    Args:
        rho: Spearman's ρ, in [−1, 1].
        n: concepts, at least :data:`MIN_CONCEPTS`.
        level: two-sided coverage, in (0, 1).

    Returns:
        An interval within [−1, 1].
    """
    if abs(rho) >= 1 - 1e-12:
        # Fisher's z is infinite there. The far end is that of the largest ρ below 1 that n concepts can have.
        nearest = spearman_interval(1 - 12 / (n * (n**2 - 1)), n, level)
        return Interval(nearest.low, 1.0) if rho > 0 else Interval(-1.0, -nearest.low)
    half = normal_quantile((1 + level) / 2) * sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(tanh(atanh(rho) - half), tanh(atanh(rho) + half))


def random_order_interval(damage: ArrayLike, n_resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> Interval | None:
    """Central interval of ρ of a random order of the same concepts. Its mean is 0.

    Args:
        damage: (n,) higher is worse.
        n_resamples: random permutations; all of them where there are no more than that.
        level: share of the random orders that the interval holds.
        seed: of the permutations.

    Returns:
        None below four concepts, and where all damages are equal.
    """
    y = np.asarray(damage, np.float64)
    if len(y) < MIN_CONCEPTS or np.ptp(y) == 0:
        return None
    null = permutation_null(np.arange(len(y), dtype=np.float64), y, n_resamples, seed)
    low, high = np.quantile(null.rho, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


class PermutationNull(NamedTuple):
    """The two-sided p, and ρ under every permutation that was tried."""

    p: float
    rho: FloatArray


def permutation_null(x: FloatArray, y: FloatArray, n_resamples: int, seed: int) -> PermutationNull:
    """scipy's permutation test of ρ of x (n,) and y (n,)."""
    ranks, other = stats.rankdata(x), stats.rankdata(y)
    centred = (other - other.mean()) / (np.linalg.norm(other - other.mean()) * np.linalg.norm(ranks - ranks.mean()))

    def rho(shuffled: FloatArray, axis: int = -1) -> FloatArray:
        return np.asarray((shuffled * centred).sum(axis=axis))

    rng = np.random.default_rng(seed)
    test = stats.permutation_test((ranks,), rho, permutation_type="pairings", n_resamples=n_resamples, vectorized=True, rng=rng)
    return PermutationNull(float(test.pvalue), np.asarray(test.null_distribution))


def tied_pairs(x: ArrayLike, y: ArrayLike) -> int:
    """Pairs of concepts with equal values in x (n,) or in y (n,)."""
    first, second = np.asarray(x), np.asarray(y)
    equal = (first[:, None] == first) | (second[:, None] == second)
    return int(np.triu(equal, 1).sum())


class Reliability(NamedTuple):
    """Split-half reliability of the damages, after Spearman and Brown."""

    value: float
    """Expected correlation with a second measurement of the same size, at most 1."""
    ceiling: float
    """√value, about the ρ of a ranker who knows the true order of the damages."""


def split_half(first: ArrayLike, second: ArrayLike) -> Reliability | None:
    """2r / (1 + r), r the mean Spearman ρ between the damages on either half of the prompts.

    Args:
        first: (n_splits, n) damages of n concepts on one half.
        second: (n_splits, n) on the other half.

    Returns:
        None where no split has an order on both sides. The ceiling is 0 where the halves contradict each other.
    """
    pairs = zip(np.asarray(first, np.float64), np.asarray(second, np.float64), strict=True)
    rhos = [float(stats.spearmanr(x, y).statistic) for x, y in pairs if np.ptp(x) > 0 and np.ptp(y) > 0]
    if not rhos:
        return None
    r = float(np.mean(rhos))
    value = 2 * r / (1 + r) if r > -1 else -1.0
    return Reliability(value, sqrt(max(value, 0.0)))


class RankerComparison(NamedTuple):
    """Mean difference of two rankers' ρ over tasks and methods."""

    difference: float
    """ρ(first) − ρ(second), in [−2, 2]."""
    interval: Interval
    """95 % interval of the difference."""
    tasks: int
    cells: int
    """(task, method) pairs with a ρ of both rankers."""


def compare_rankers(
    first: ArrayLike, second: ArrayLike, n_resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> RankerComparison | None:
    """Paired bootstrap of the difference of two rankers' ρ on the same concepts.

    Tasks and methods are drawn with replacement, independently of each other. The difference is averaged over the cells present, task by
    task. With nine tasks and eight methods a nominal 95 % covers about .88 (simulated in the tests).

    Args:
        first: (tasks, methods) ρ of one ranker; NaN where it has none.
        second: (tasks, methods) ρ of the other.
        n_resamples: bootstrap resamples.
        level: two-sided coverage, in (0, 1).
        seed: of the resamples.

    Returns:
        None where no cell has both.
    """
    cells = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    cells = cells[np.isfinite(cells).any(axis=1)]
    if not len(cells):
        return None
    rng = np.random.default_rng(seed)
    tasks, methods = cells.shape
    rows, columns = rng.integers(tasks, size=(n_resamples, tasks, 1)), rng.integers(methods, size=(n_resamples, 1, methods))
    low, high = np.nanquantile(task_mean(cells[rows, columns]), [(1 - level) / 2, (1 + level) / 2])
    return RankerComparison(float(task_mean(cells)), Interval(float(low), float(high)), tasks, int(np.isfinite(cells).sum()))


def task_mean(cells: ArrayLike) -> FloatArray:
    """Mean over tasks of the means over methods. NaN cells are left out, and tasks that have no other.

    Args:
        cells: (…, tasks, methods).

    Returns:
        (…) means; NaN where no cell is present.
    """
    table = np.asarray(cells, np.float64)
    present = np.isfinite(table)
    counts = present.sum(axis=-1)
    per_task = np.where(present, table, 0.0).sum(axis=-1) / np.maximum(counts, 1)
    n_tasks = (counts > 0).sum(axis=-1)
    return np.asarray(np.where(n_tasks > 0, (per_task * (counts > 0)).sum(axis=-1) / np.maximum(n_tasks, 1), np.nan))


def as_pairs(proximity: ArrayLike, damage: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float arrays (n,).

    Raises:
        ValueError: unequal lengths, or a value that is NaN or infinite.
    """
    x, y = np.asarray(proximity, np.float64), np.asarray(damage, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"proximity of shape {x.shape} for damage of shape {y.shape}: expected one of each per concept")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a proximity or a damage is NaN or infinite: leave such concepts out first, and say so")
    return x, y


def common_concepts(*orders: Sequence[str]) -> tuple[str, ...]:
    """The concepts that all orders hold, in the first one's order."""
    return tuple(concept for concept in orders[0] if all(concept in order for order in orders[1:]))
