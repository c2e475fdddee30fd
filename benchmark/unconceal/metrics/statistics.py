"""Intervals for means over prompts, rates of images and areas under the curve.

The unit of generalisation is the prompt; the images of one prompt share its noise. Source: METRICS, section "Uncertainty".
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

FEW_PROMPTS = 40
"""Below this many prompts a percentile bootstrap covers too little and a t interval is used."""


class Interval(NamedTuple):
    """A two-sided interval. Each end is a one-sided bound at (1 + level) / 2: the ends of 95 % bound at 97.5 %."""

    low: float
    high: float


def mean_interval(
    values: ArrayLike, level: float = 0.95, images: int | None = None, unit: float = 1.0, bootstrap: int = 2000, seed: int = 0
) -> Interval:
    """Interval of the mean over prompts: t below 40 prompts, hierarchical bootstrap from 40 on. For scores and differences.

    For a rate use :func:`rate_interval`: rates near 0 or 1 are skewed, and at 20 prompts a t interval of nominal 95 % then covers
    .89 to .92 (.94 around a half).

    Args:
        values: (p,) one value per prompt, or (p, s) one per prompt and seed; paired differences where rows are compared.
        level: two-sided coverage, 0 to 1.
        images: pictures behind the values when these are differences of rates; neither side is then narrower than :func:`resolution`.
        unit: what one whole rate counts in ``values`` (1 / θ's rate for an excess).
        bootstrap: resamples from 40 prompts on.
        seed: of the resamples.

    Returns:
        The interval; (-inf, inf) for fewer than two prompts.
    """
    table = as_table(values)
    mean = float(table.mean())
    low, high = _t_interval(table.mean(axis=1), level) if len(table) < FEW_PROMPTS else _percentiles(table, level, bootstrap, seed)
    if images is not None:
        least = resolution(images, level) * unit
        low, high = min(low, mean - least), max(high, mean + least)
    return Interval(low, high)


def rate_interval(values: ArrayLike, images: int, level: float = 0.95) -> Interval:
    """Interval of a rate over prompts, within [0, 1]: Wilson's, with the number of pictures that the spread between prompts is worth.

    Args:
        values: (p,) rates per prompt, or (p, s) answers.
        images: pictures behind them. n_eff = rate (1 − rate) / variance of the mean, at most ``images``, times (z / t)² because that
            variance is estimated (after Korn & Graubard, Survey Methodology 24, 1998, 193).
        level: two-sided coverage, 0 to 1.
    """
    per_prompt = as_table(values).mean(axis=1)
    rate, prompts = float(per_prompt.mean()), len(per_prompt)
    if prompts < 2:
        return Interval(0.0, 1.0)
    variance = float(per_prompt.var(ddof=1)) / prompts
    worth = min(float(images), rate * (1 - rate) / variance) if variance else float(images)
    worth *= (normal_quantile((1 + level) / 2) / t_quantile((1 + level) / 2, prompts - 1)) ** 2
    return wilson(rate * worth, worth, level)


def resolution(images: int, level: float = 0.95) -> float:
    """Half-width below which ``images`` pictures can't tell rates apart, OURS: the Wilson bound of a rate never seen, z² / (n + z²).

    Equal answers for every prompt make a t interval of width zero; that is no certainty, only few pictures. A mean over prompts varies at
    least as much as one over as many independent pictures, so an interval narrower than theirs claims too much.
    """
    return wilson(0, images, level).high


def wilson(count: float, n: float, level: float = 0.95) -> Interval:
    """Wilson score interval of a rate of ``count`` out of ``n``; (0, 1) when n is 0."""
    if n <= 0:
        return Interval(0.0, 1.0)
    z = normal_quantile((1 + level) / 2)
    rate = count / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Interval(0.0 if count <= 0 else max(0.0, centre - half), 1.0 if count >= n else min(1.0, centre + half))


def lower_bound(values: ArrayLike, confidence: float = 0.975, images: int | None = None, unit: float = 1.0, bootstrap: int = 2000) -> float:
    """One-sided lower confidence bound of the mean over prompts; arguments as in :func:`mean_interval`."""
    return mean_interval(values, 2 * confidence - 1, images, unit, bootstrap).low


def upper_bound(values: ArrayLike, confidence: float = 0.95, images: int | None = None, unit: float = 1.0, bootstrap: int = 2000) -> float:
    """One-sided upper confidence bound of the mean over prompts; arguments as in :func:`mean_interval`."""
    return mean_interval(values, 2 * confidence - 1, images, unit, bootstrap).high


def bootstrap_means(values: ArrayLike, seed: int, n: int = 2000) -> NDArray[np.float64]:
    """Means (n,) of hierarchical resamples: prompts with replacement, then seeds within each drawn prompt.

    ``values`` (p, s), or (p,) where only prompts are resampled. Rows compared with each other stay paired under one ``seed``.
    """
    table = as_table(values)
    prompts, seeds = table.shape
    rng = np.random.default_rng(seed)
    means = np.empty(n)
    for i in range(n):
        rows = rng.integers(prompts, size=(prompts, 1))
        means[i] = table[rows, rng.integers(seeds, size=(prompts, seeds))].mean()
    return means


def prompts_needed(
    values: ArrayLike, gap: float, confidence: float, images_per_prompt: int = 1, unit: float = 1.0, most: int = 100_000
) -> int | None:
    """Fewest prompts at which a one-sided bound would lie less than ``gap`` from the mean; None if more than ``most``.

    Takes the spread between prompts as observed and solves t · sd / √n < gap together with :func:`resolution`.
    """
    per_prompt = as_table(values).mean(axis=1)
    sd = float(per_prompt.std(ddof=1)) if len(per_prompt) > 1 else 0.0
    if gap <= 0:
        return None

    def decides(n: int) -> bool:
        half = t_quantile(confidence, n - 1) * sd / sqrt(n)
        return max(half, resolution(n * images_per_prompt, 2 * confidence - 1) * unit) < gap

    fewest = 2 + bisect_left(range(2, most + 1), True, key=decides)
    return fewest if fewest <= most else None


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve, 0 to 1: chance that a picture of label 1 scores above one of label 0 (ties count half).

    ``scores`` (n,), ``labels`` (n,) of 0 and 1. Higher: better separable. NaN if one class is missing.
    """
    values, truth = np.asarray(scores, float), np.asarray(labels).astype(bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(values)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_interval(scores: ArrayLike, labels: ArrayLike, level: float = 0.95) -> Interval:
    """Newcombe's score interval of the AUC (his method 5, Statistics in Medicine 25, 2006, 559).

    Unlike DeLong's it keeps a width where the classes separate perfectly. Takes pictures as independent.
    """
    truth = np.asarray(labels).astype(bool)
    m, n = int(truth.sum()), int((~truth).sum())
    seen = auc(scores, labels)
    if np.isnan(seen):
        return Interval(0.0, 1.0)
    z = normal_quantile((1 + level) / 2)

    def beyond(area: float) -> float:
        variance = area * (1 - area) * (1 + ((m + n) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))) / (m * n)
        return (seen - area) ** 2 - z**2 * variance

    tiny = 1e-9
    low = float(optimize.brentq(beyond, tiny, seen - tiny)) if seen > 0 else 0.0
    high = float(optimize.brentq(beyond, seen + tiny, 1 - tiny)) if seen < 1 else 1.0
    return Interval(low, high)


@lru_cache(maxsize=1024)
def normal_quantile(p: float) -> float:
    """The standard normal's quantile. Kept: scipy works half a millisecond at it, and a study asks a hundred thousand times."""
    return float(stats.norm.ppf(p))


@lru_cache(maxsize=1024)
def t_quantile(p: float, freedom: int) -> float:
    """Student's quantile at so many degrees of freedom, kept likewise."""
    return float(stats.t.ppf(p, freedom))


def as_table(values: ArrayLike) -> NDArray[np.float64]:
    """Values as (prompts, seeds), refusing what has no mean."""
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise ValueError(f"values of shape {np.shape(values)}: expected (prompts,) or (prompts, seeds), not empty")
    if not np.isfinite(table).all():
        raise ValueError("values hold NaN or infinity: leave out the prompts that have no score first")
    return table


def _t_interval(per_prompt: NDArray[np.float64], level: float) -> Interval:
    n = len(per_prompt)
    if n < 2:
        return Interval(-np.inf, np.inf)
    half = t_quantile((1 + level) / 2, n - 1) * float(per_prompt.std(ddof=1)) / sqrt(n)
    return Interval(float(per_prompt.mean()) - half, float(per_prompt.mean()) + half)


def _percentiles(table: NDArray[np.float64], level: float, bootstrap: int, seed: int) -> Interval:
    low, high = np.quantile(bootstrap_means(table, seed, bootstrap), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
