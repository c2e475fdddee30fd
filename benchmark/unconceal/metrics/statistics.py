"""Intervals for means over prompts, rates of images and areas under the ROC curve.

The unit of generalisation is the prompt: images of one prompt share its noise. Source: docs/concepts/metrics.md, "Uncertainty".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

FloatArray = NDArray[np.float64]
MIN_BOOTSTRAP_PROMPTS = 40
"""Below this many prompts a percentile bootstrap covers too little, and a t interval is used."""


class Interval(NamedTuple):
    """A two-sided interval. Each end is a one-sided bound at (1 + level) / 2: the ends of 95 % are bounds at 97.5 %."""

    low: float
    high: float


def mean_interval(
    values: ArrayLike, level: float = 0.95, n_images: int | None = None, unit: float = 1.0, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Interval of the mean over prompts: t below 40 prompts, hierarchical bootstrap from 40 on. For scores and differences.

    For a rate use :func:`rate_interval`. Rates near 0 or 1 are skewed, and at 20 prompts a t interval of nominal 95 % then covers
    .89 to .92 (.94 around a half).

    Args:
        values: (p,) one value per prompt, or (p, s) one per prompt and seed; paired differences where rows are compared.
        level: two-sided coverage, in (0, 1).
        n_images: images behind the values if these are differences of rates. Neither side is then narrower than :func:`resolution`.
        unit: what a rate of 1 counts in ``values`` (1 / θ's rate for an excess).
        n_resamples: bootstrap resamples, from 40 prompts on.
        seed: of the resamples.

    Returns:
        The interval, in the unit of ``values``; (-inf, inf) for fewer than two prompts.

    Raises:
        ValueError: ``values`` is empty, not finite, or has more than two dimensions.
    """
    table = as_table(values)
    mean = float(table.mean())
    if len(table) < MIN_BOOTSTRAP_PROMPTS:
        low, high = _t_interval(table.mean(axis=1), level)
    else:
        low, high = _percentiles(table, level, n_resamples, seed)
    if n_images is not None:
        min_half_width = resolution(n_images, level) * unit
        low, high = min(low, mean - min_half_width), max(high, mean + min_half_width)
    return Interval(low, high)


def rate_interval(values: ArrayLike, n_images: int, level: float = 0.95) -> Interval:
    """Interval of a rate over prompts: Wilson's, with an effective number of images.

    n_eff = rate (1 − rate) / variance of the mean, at most ``n_images``, times (z / t)² because that variance is estimated
    (after Korn & Graubard, Survey Methodology 24, 1998, 193).

    Args:
        values: (p,) rates per prompt, or (p, s) answers of 0 and 1.
        n_images: images behind them.
        level: two-sided coverage, in (0, 1).

    Returns:
        An interval within [0, 1]; (0, 1) for fewer than two prompts.

    Raises:
        ValueError: as :func:`mean_interval`.
    """
    per_prompt = as_table(values).mean(axis=1)
    if len(per_prompt) < 2:
        return Interval(0.0, 1.0)
    return _rate_interval(float(per_prompt.mean()), float(per_prompt.var(ddof=1)), len(per_prompt), n_images, level)


def resolution(n_images: int, level: float = 0.95) -> float:
    """Smallest half-width that ``n_images`` images support, OURS: the Wilson bound of a rate never observed, z² / (n + z²).

    Equal answers for every prompt make a t interval of width zero, which few images do not justify. A mean over prompts varies at least as
    much as one over as many independent images, so an interval narrower than theirs claims too much.
    """
    return wilson(0, n_images, level).high


def wilson(count: float, n: float, level: float = 0.95) -> Interval:
    """Wilson score interval of a rate of ``count`` out of ``n``, within [0, 1]; (0, 1) when n is 0."""
    if n <= 0:
        return Interval(0.0, 1.0)
    z = normal_quantile((1 + level) / 2)
    rate = count / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Interval(0.0 if count <= 0 else max(0.0, centre - half), 1.0 if count >= n else min(1.0, centre + half))


def lower_bound(
    values: ArrayLike, confidence: float = 0.975, n_images: int | None = None, unit: float = 1.0, n_resamples: int = 2000
) -> float:
    """One-sided lower confidence bound of the mean over prompts; arguments as in :func:`mean_interval`."""
    return mean_interval(values, 2 * confidence - 1, n_images, unit, n_resamples).low


def upper_bound(
    values: ArrayLike, confidence: float = 0.95, n_images: int | None = None, unit: float = 1.0, n_resamples: int = 2000
) -> float:
    """One-sided upper confidence bound of the mean over prompts; arguments as in :func:`mean_interval`."""
    return mean_interval(values, 2 * confidence - 1, n_images, unit, n_resamples).high


def bootstrap_means(values: ArrayLike, seed: int, n_resamples: int = 2000) -> FloatArray:
    """Means of hierarchical resamples: prompts with replacement, then seeds within each drawn prompt.

    Args:
        values: (p, s), or (p,) where only prompts are resampled.
        seed: of the resamples. Rows that are compared with each other stay paired under one seed.
        n_resamples: number of resamples.

    Returns:
        (n_resamples,) means, in the unit of ``values``.
    """
    table = as_table(values)
    prompts, seeds = table.shape
    rng = np.random.default_rng(seed)
    means = np.empty(n_resamples)
    for i in range(n_resamples):
        rows = rng.integers(prompts, size=(prompts, 1))
        means[i] = table[rows, rng.integers(seeds, size=(prompts, seeds))].mean()
    return means


def expected_half_width(values: ArrayLike, n_prompts: int, confidence: float, images_per_prompt: int = 1, unit: float = 1.0) -> float:
    """Distance from the mean to the one-sided bound that :func:`mean_interval` would give with more prompts.

    Below 40 prompts this is the t bound at the spread observed. From 40 on it is the normal bound with the variance of the hierarchical
    bootstrap: the variance between prompts plus that of the resampled seeds.

    Args:
        values: (p,) or (p, s) as observed.
        n_prompts: prompts to extrapolate to.
        confidence: of the one-sided bound.
        images_per_prompt: images behind each prompt's value.
        unit: as in :func:`mean_interval`.

    Returns:
        A half-width in the unit of ``values``; infinite for fewer than two prompts, whose spread is unknown.
    """
    table = as_table(values)
    if len(table) < 2:
        return float("inf")
    between = float(table.mean(axis=1).var(ddof=1))
    if n_prompts < MIN_BOOTSTRAP_PROMPTS:
        half = t_quantile(confidence, n_prompts - 1) * sqrt(between / n_prompts)
    else:
        within = float(table.var(axis=1).mean()) / table.shape[1]
        half = normal_quantile(confidence) * sqrt((between * (n_prompts - 1) / n_prompts + within) / n_prompts)
    return max(half, resolution(n_prompts * images_per_prompt, 2 * confidence - 1) * unit)


def expected_rate_interval(values: ArrayLike, n_prompts: int, images_per_prompt: int, level: float = 0.95) -> Interval:
    """The interval that :func:`rate_interval` would give with ``n_prompts`` prompts, at the rate and spread observed."""
    per_prompt = as_table(values).mean(axis=1)
    if len(per_prompt) < 2:
        return Interval(0.0, 1.0)
    spread = float(per_prompt.var(ddof=1))
    return _rate_interval(float(per_prompt.mean()), spread, n_prompts, n_prompts * images_per_prompt, level)


def prompts_needed(decides: Callable[[int], bool], n_observed: int, max_prompts: int = 100_000) -> int | None:
    """Fewest prompts, above those observed, with which a rule would decide.

    Args:
        decides: whether n prompts would suffice. From 40 on, more prompts must not undo a decision.
        n_observed: today's prompts, which do not suffice.
        max_prompts: where the search ends.

    Returns:
        n > ``n_observed``, or None if ``max_prompts`` would not suffice.
    """
    for n in range(n_observed + 1, MIN_BOOTSTRAP_PROMPTS):
        if decides(n):
            return n
    start = max(n_observed + 1, MIN_BOOTSTRAP_PROMPTS)
    n = start + bisect_left(range(start, max_prompts + 1), True, key=decides)
    return n if n <= max_prompts else None


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an image of label 1 scores above one of label 0 (ties count half).

    Args:
        scores: (n,) classifier scores.
        labels: (n,) of 0 and 1.

    Returns:
        AUC in [0, 1], higher is better separable; NaN if one class is missing.
    """
    values, truth = np.asarray(scores, float), np.asarray(labels).astype(bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(values)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_interval(scores: ArrayLike, labels: ArrayLike, level: float = 0.95) -> Interval:
    """Newcombe's score interval of the AUC (his method 5, Statistics in Medicine 25, 2006, 559).

    Unlike DeLong's it keeps a width where the classes separate perfectly. It takes images as independent.

    Args:
        scores: (n,) classifier scores.
        labels: (n,) of 0 and 1.
        level: two-sided coverage, in (0, 1).

    Returns:
        An interval within [0, 1]; (0, 1) if one class is missing.
    """
    truth = np.asarray(labels).astype(bool)
    m, n = int(truth.sum()), int((~truth).sum())
    observed = auc(scores, labels)
    if np.isnan(observed):
        return Interval(0.0, 1.0)
    z = normal_quantile((1 + level) / 2)

    def score_statistic(area: float) -> float:
        variance = area * (1 - area) * (1 + ((m + n) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))) / (m * n)
        return (observed - area) ** 2 - z**2 * variance

    tiny = 1e-9
    low = float(optimize.brentq(score_statistic, tiny, observed - tiny)) if observed > 0 else 0.0
    high = float(optimize.brentq(score_statistic, observed + tiny, 1 - tiny)) if observed < 1 else 1.0
    return Interval(low, high)


@lru_cache(maxsize=1024)
def normal_quantile(p: float) -> float:
    """Quantile of the standard normal. Cached: scipy takes half a millisecond, and a study calls it a hundred thousand times."""
    return float(stats.norm.ppf(p))


@lru_cache(maxsize=1024)
def t_quantile(p: float, degrees_of_freedom: int) -> float:
    """Quantile of Student's t, cached for the same reason."""
    return float(stats.t.ppf(p, degrees_of_freedom))


def as_table(values: ArrayLike) -> FloatArray:
    """Values (p,) or (p, s) as a float table (p, 1) or (p, s).

    Raises:
        ValueError: empty, more than two dimensions, NaN or infinite.
    """
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise ValueError(f"values of shape {np.shape(values)}: expected (prompts,) or (prompts, seeds), not empty")
    if not np.isfinite(table).all():
        raise ValueError("values hold NaN or infinity: leave out the prompts that have no score first")
    return table


def _rate_interval(rate: float, spread: float, prompts: int, n_images: int, level: float) -> Interval:
    """``spread``: variance of the rate between prompts."""
    variance = spread / prompts
    n_effective = min(float(n_images), rate * (1 - rate) / variance) if variance else float(n_images)
    n_effective *= (normal_quantile((1 + level) / 2) / t_quantile((1 + level) / 2, prompts - 1)) ** 2
    return wilson(rate * n_effective, n_effective, level)


def _t_interval(per_prompt: FloatArray, level: float) -> Interval:
    n = len(per_prompt)
    if n < 2:
        return Interval(-np.inf, np.inf)
    half = t_quantile((1 + level) / 2, n - 1) * float(per_prompt.std(ddof=1)) / sqrt(n)
    return Interval(float(per_prompt.mean()) - half, float(per_prompt.mean()) + half)


def _percentiles(table: FloatArray, level: float, n_resamples: int, seed: int) -> Interval:
    low, high = np.quantile(bootstrap_means(table, seed, n_resamples), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
