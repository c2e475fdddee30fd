"""Curves and scores of records, each with its confidence interval and n (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from unconceal.metrics import crs
from unconceal.metrics.statistics import FloatArray, Interval, auc, auc_interval, mean_interval, rate_interval
from unconceal.specs.record import Curve, Score
from unconceal.specs.suite import Arm, Scoring

K = Mapping[float, int]
NO_INTERVAL = "no interval: one number over all pictures"
"""Stored records hold this text, and `results check` compares it."""
Split = Literal["forget", "retain"]
PRESENCE, ORIGINAL_PRESENCE = "presence", "presence.original"
"""Names of the presence curves of θ*, and of θ where it continues unconditionally."""


def mean_score(per_prompt: FloatArray, n_images: int | None = None, unit: float = 1.0, note: str = "", n_resamples: int = 2000) -> Score:
    """Mean over prompts with its 95 % confidence interval.

    Args:
        per_prompt: values (p,) or (p, s); prompts with a value that is not finite are left out.
        n_images: number of images, if the values are rates; bounds the interval from below.
        unit: value of one image, if not 1.
        note: goes into the score.
        n_resamples: of the bootstrap.
    """
    values = np.asarray(per_prompt, float)
    values = values[np.isfinite(values).reshape(len(values), -1).all(axis=1)]
    if not len(values):
        return Score(value=None, n=0, note=note or "no prompt has a value")
    low, high = finite_bounds(mean_interval(values, n_images=n_images, unit=unit, n_resamples=n_resamples))
    return Score(value=float(values.mean()), low=low, high=high, n=len(values), note=note)


def rate_score(per_prompt: FloatArray, n_images: int) -> Score:
    """Mean of per-prompt rates (p,) with a 95 % confidence interval for rates; ``n_images``: images behind all of them."""
    low, high = finite_bounds(rate_interval(per_prompt, n_images))
    return Score(value=float(np.mean(per_prompt)), low=low, high=high, n=len(per_prompt))


def finite_bounds(interval: Interval) -> tuple[float | None, float | None]:
    """Bounds of an interval; None where it is unbounded."""
    low, high = (float(end) if np.isfinite(end) else None for end in interval)
    return low, high


def make_curve(
    name: str, split: Split, k: K, per_prompt: FloatArray, n_images: int | None = None, arm: Arm | None = None, extractor: str | None = None
) -> Curve:
    """A curve of per-prompt values (p, ψ), with a 95 % confidence interval at every ψ; with ``n_images``, the values are rates."""
    rows = np.asarray(per_prompt, float).T
    columns = [mean_score(column) if n_images is None else rate_score(column, n_images) for column in rows]
    return Curve(
        name=name,
        split=split,
        arm=arm,
        extractor=extractor,
        psi=tuple(k),
        k=tuple(k.values()),
        value=tuple(column.value for column in columns),
        low=tuple(column.low for column in columns),
        high=tuple(column.high for column in columns),
        n=len(per_prompt),
        per_prompt=tuple(tuple(map(float, row)) for row in np.asarray(per_prompt, float)),
    )


def plain_curve(name: str, k: K, values: Sequence[float | None], n: int, extractor: str) -> Curve:
    """A curve of one number per ψ, without intervals (KID, whose spread over subsets is no sampling error)."""
    blank = (None,) * len(values)
    steps = tuple(k.values())
    return Curve(name=name, split="forget", extractor=extractor, psi=tuple(k), k=steps, value=tuple(values), low=blank, high=blank, n=n)


def psi_mean_score(k: K, values: Sequence[float | None], scoring: Scoring, n: int) -> Score:
    """Mean over ψ of a curve without per-prompt values, hence without an interval."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return Score(value=None, n=n, note="too few pictures")
    lower, upper = scoring.mean_psi
    mean = float(crs.mean_over_psi(list(k), defined, upper, lower))
    return Score(value=mean, n=n, note=NO_INTERVAL)


def presence_curves(presence: Mapping[str, FloatArray], k: K, split: Split = "forget", name: str = "presence") -> list[Curve]:
    """P(ψ) per arm from the judge's answers (prompts, seeds, ψ)."""
    return [
        make_curve(name, split, k, answers.mean(axis=1), n_images=answers[..., 0].size, arm=arm)  # type: ignore[arg-type]
        for arm, answers in presence.items()
    ]


def classifier_results(
    split: Split,
    extractor: str,
    k: K,
    scoring: Scoring,
    s_o: FloatArray,
    s_u: FloatArray,
    ccs: FloatArray,
    r_o: FloatArray,
    r_u: FloatArray,
    auc_scores: FloatArray,
    auc_labels: FloatArray,
) -> tuple[list[Curve], dict[str, Score], dict[str, FloatArray]]:
    """Curves, scores and per-prompt means of one (split, extractor).

    Arrays are those of :class:`unconceal.evaluation.measurements.ClassifierScores`.
    """
    psi, (lower, upper) = list(k), scoring.mean_psi
    signed = crs.signed(s_u, s_o).mean(axis=1)
    released = crs.released(s_u.mean(axis=1), s_o.mean(axis=1), split)
    confidence = ccs.mean(axis=1)
    curves = [
        make_curve(name, split, k, values, arm="prompt", extractor=extractor)
        for name, values in (("crs.signed", signed), ("crs.released", released), ("ccs", confidence))
    ]
    area, interval = auc(auc_scores, auc_labels), auc_interval(auc_scores, auc_labels)
    separable = interval.low >= scoring.min_auc
    note = "" if separable else "not separable"
    means = {
        name: crs.mean_over_psi(psi, values, upper, lower)
        for name, values in (("crs.released", released), ("crs.signed", signed), ("ccs", confidence))
    }
    if separable:
        means["crs.calibrated"] = crs.calibrated(means["crs.signed"], r_u, r_o)
    scores = {
        f"{name}.{split}.{extractor}": mean_score(values, note=note, n_resamples=scoring.n_resamples) for name, values in means.items()
    }
    if not separable:
        scores[f"crs.calibrated.{split}.{extractor}"] = Score(value=None, n=0, note="not separable")
    scores[f"auc.{split}.{extractor}"] = Score(value=area, low=interval.low, high=interval.high, n=len(auc_labels), note=note)
    return curves, scores, means


def mean_over_extractors(split: str, means: Mapping[str, Mapping[str, FloatArray]], scoring: Scoring) -> dict[str, Score]:
    """The mean of every score over the extractors that define it; ``means``: extractor to score to values (p,)."""
    names = {name for by_score in means.values() for name in by_score}
    return {
        f"{name}.{split}.mean": mean_score(
            np.mean([by_score[name] for by_score in means.values() if name in by_score], axis=0), n_resamples=scoring.n_resamples
        )
        for name in sorted(names)
    }
