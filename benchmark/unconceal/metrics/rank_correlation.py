"""Were the concepts that an orderer calls near damaged most? Rank correlation with its uncertainty, its ceiling and its baseline.

Pure functions of arrays (no torch). ``nearness``: higher is nearer to the target; ``damage``: higher is worse. Positive ρ: nearer concepts
are damaged more, as arXiv 2507.07137 expects. How ρ is bounded and compared is this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from unconceal.metrics.statistics import Interval, normal_quantile

Values = NDArray[np.float64]
LEAST = 4
"""Fewer concepts have no interval."""


class Correlation(NamedTuple):
    """Spearman's ρ in [−1, 1], its 95 % interval, the two-sided permutation p, n concepts, and pairs tied in either order."""

    rho: float
    interval: Interval
    p: float
    n: int
    ties: int


def correlate(nearness: ArrayLike, damage: ArrayLike, resamples: int = 10_000, seed: int = 0) -> Correlation | None:
    """Spearman's ρ of nearness (n,) and damage (n,).

    Args:
        resamples: random permutations behind p; where there are no more permutations than that, all of them (exact).
        seed: of the permutations.

    Returns:
        None below four concepts and where one side is the same for all: there is no order then.

    Raises:
        ValueError: unequal lengths, or a value that is no number.
    """
    x, y = paired(nearness, damage)
    rho = spearman(x, y)
    if rho is None:
        return None
    return Correlation(rho, spearman_interval(rho, len(x)), permuted(x, y, resamples, seed).p, len(x), tied_pairs(x, y))


def spearman(nearness: ArrayLike, damage: ArrayLike) -> float | None:
    """ρ alone; None and errors as in :func:`correlate`."""
    x, y = paired(nearness, damage)
    if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(stats.spearmanr(x, y).statistic)


def spearman_interval(rho: float, n: int, level: float = 0.95) -> Interval:
    """tanh(atanh ρ ± z √((1 + ρ²/2) / (n − 3))): Fisher's z with the variance of Bonett & Wright (Psychometrika 65, 2000, 23).

    It does not know that the damage was itself measured: :func:`split_half` says how far that lowers ρ.
    """
    if abs(rho) >= 1 - 1e-12:
        # Fisher's z is infinite there. The largest ρ below 1 that n concepts can have says how low it may be.
        nearest = spearman_interval(1 - 12 / (n * (n**2 - 1)), n, level)
        return Interval(nearest.low, 1.0) if rho > 0 else Interval(-1.0, -nearest.low)
    half = normal_quantile((1 + level) / 2) * sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(tanh(atanh(rho) - half), tanh(atanh(rho) + half))


def random_order(damage: ArrayLike, resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> Interval | None:
    """Where ρ of a random order of the same concepts falls, its central ``level``; its mean is 0. None where there is no order to find."""
    y = np.asarray(damage, np.float64)
    if len(y) < LEAST or np.ptp(y) == 0:
        return None
    drawn = permuted(np.arange(len(y), dtype=np.float64), y, resamples, seed)
    low, high = np.quantile(drawn.rho, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


class Permuted(NamedTuple):
    """The two-sided p, and ρ under every permutation that was tried."""

    p: float
    rho: Values


def permuted(x: Values, y: Values, resamples: int, seed: int) -> Permuted:
    """scipy's permutation test of ρ: which damage belongs to which concept is shuffled."""
    ranks, other = stats.rankdata(x), stats.rankdata(y)
    centred = (other - other.mean()) / (np.linalg.norm(other - other.mean()) * np.linalg.norm(ranks - ranks.mean()))

    def rho(shuffled: Values, axis: int = -1) -> Values:
        return np.asarray((shuffled * centred).sum(axis=axis))

    rng = np.random.default_rng(seed)
    found = stats.permutation_test((ranks,), rho, permutation_type="pairings", n_resamples=resamples, vectorized=True, rng=rng)
    return Permuted(float(found.pvalue), np.asarray(found.null_distribution))


def tied_pairs(x: ArrayLike, y: ArrayLike) -> int:
    """Pairs of concepts that are equal on either side: they say nothing of the order."""
    one, other = np.asarray(x), np.asarray(y)
    equal = (one[:, None] == one) | (other[:, None] == other)
    return int(np.triu(equal, 1).sum())


class Reliability(NamedTuple):
    """``value``: how far one measurement of all damages would agree with another of the same size, at most 1 (after Spearman and Brown);
    ``ceiling``: its square root, about the ρ that an orderer could reach who knew the damages' true order."""

    value: float
    ceiling: float


def split_half(first: ArrayLike, second: ArrayLike) -> Reliability | None:
    """2r / (1 + r), r the mean Spearman ρ between damages (splits, n) measured on one half of the prompts and on the other.

    Returns:
        None where no split has an order on both sides. The ceiling is 0 where the halves contradict each other.
    """
    pairs = zip(np.asarray(first, np.float64), np.asarray(second, np.float64), strict=True)
    found = [float(stats.spearmanr(one, other).statistic) for one, other in pairs if np.ptp(one) > 0 and np.ptp(other) > 0]
    if not found:
        return None
    r = float(np.mean(found))
    value = 2 * r / (1 + r) if r > -1 else -1.0
    return Reliability(value, sqrt(max(value, 0.0)))


class Comparison(NamedTuple):
    """Mean of ρ(one) − ρ(other) over tasks and methods, its 95 % interval, and how many tasks and cells stand behind it."""

    difference: float
    interval: Interval
    tasks: int
    cells: int


def compare(one: ArrayLike, other: ArrayLike, resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> Comparison | None:
    """Paired bootstrap over tasks and methods of two orderers' ρ, each (tasks, methods) on the same concepts; NaN: no ρ there.

    Tasks and methods are drawn with replacement, each by itself, and the difference is averaged over the cells that are there, task by
    task. None where no cell has both. With nine tasks and eight methods a nominal 95 % covers about .88 (simulated in the tests).
    """
    cells = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    cells = cells[np.isfinite(cells).any(axis=1)]
    if not len(cells):
        return None
    rng = np.random.default_rng(seed)
    tasks, methods = cells.shape
    rows, columns = rng.integers(tasks, size=(resamples, tasks, 1)), rng.integers(methods, size=(resamples, 1, methods))
    low, high = np.nanquantile(task_mean(cells[rows, columns]), [(1 - level) / 2, (1 + level) / 2])
    return Comparison(float(task_mean(cells)), Interval(float(low), float(high)), tasks, int(np.isfinite(cells).sum()))


def task_mean(cells: ArrayLike) -> Values:
    """Mean over tasks of the means over methods of (…, tasks, methods); NaN cells are left out, and tasks that have no other."""
    table = np.asarray(cells, np.float64)
    present = np.isfinite(table)
    counts = present.sum(axis=-1)
    per_task = np.where(present, table, 0.0).sum(axis=-1) / np.maximum(counts, 1)
    known = (counts > 0).sum(axis=-1)
    return np.asarray(np.where(known > 0, (per_task * (counts > 0)).sum(axis=-1) / np.maximum(known, 1), np.nan))


def paired(nearness: ArrayLike, damage: ArrayLike) -> tuple[Values, Values]:
    """Both as float arrays of one length."""
    x, y = np.asarray(nearness, np.float64), np.asarray(damage, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{x.shape} nearnesses for damages of {y.shape}: expected one of each per concept")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a nearness or a damage is NaN or infinite: leave such concepts out first, and say so")
    return x, y


def common(*orders: Sequence[str]) -> tuple[str, ...]:
    """The concepts that all orders hold, in the first one's order."""
    return tuple(concept for concept in orders[0] if all(concept in order for order in orders[1:]))
