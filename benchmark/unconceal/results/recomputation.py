"""The aggregates of a record once more, from its own per-prompt values and its golds': whoever edits a number has to edit them all.

What a record cannot prove by itself is said in :data:`TAKEN_ON_TRUST`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose

import numpy as np

from unconceal.evaluation.curves import make_curve, mean_score, over_extractors, psi_mean_score
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.statistics import FloatArray
from unconceal.results.probe_recomputation import probed_again
from unconceal.specs.record import Curve, Record, Score
from unconceal.specs.suite import Scoring, Suite, Tier
from unconceal.specs.task import Task

TAKEN_ON_TRUST = ("auc.", "crs.calibrated.")
"""Scores over single pictures, whose values a record does not hold."""
CLASSIFIED = ("crs.released", "crs.signed", "ccs")
TOLERANCE = 1e-6
Scores = dict[str, Score]


def disagreements(record: Record, golds: Sequence[Record], suite: Suite, task: Task) -> Iterator[tuple[str, str]]:
    """(what, how it disagrees) of everything that comes out otherwise when it is computed again."""
    tier = suite.tiers[record.tier]  # type: ignore[index]
    for curve in record.curves:
        yield from _curve(curve, tier)
    try:
        again = compute_verdict(record, golds, suite, task)
        expected = {**from_curves(record, suite.scores), **{name: again.scores[name] for name in settled_names(again)}}
    except (ValueError, StopIteration, IndexError, ArithmeticError) as error:
        yield "curves", f"do not suffice to compute the scores again ({error or type(error).__name__})"
        return
    for name, score in expected.items():
        yield from score_differs(f"score {name}", record.scores.get(name), score)
    for concept, score in again.damage.items():
        yield from score_differs(f"damage {concept}", record.damage.get(concept), score)
    if record.probe_results and suite.probing:
        for name, stored, score in probed_again(record.probe_results, record.attacks, suite.probing):
            yield from score_differs(name, stored, score)
    if record.verdict != again.verdict:
        yield f"verdict {record.verdict.label}", f"comes out as {again.verdict.label} ({again.verdict.reason})"


def settled_names(settled: Record) -> Iterator[str]:
    """The scores that reading against golds writes."""
    mine = ("excess", "presence", "psi_star", "retain_drop")
    return (name for name in settled.scores if name.partition(".")[0] in mine)


def from_curves(record: Record, scoring: Scoring) -> Scores:
    """Every score that is a mean of one of the record's curves."""
    found: Scores = {}
    means: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for curve in record.curves:
        if curve.name in CLASSIFIED and curve.extractor:
            values = mean_over_psi(curve.psi, _table(curve), scoring.mean_psi[1], scoring.mean_psi[0])
            note = _separable(record, curve, scoring)
            found[f"{curve.name}.{curve.split}.{curve.extractor}"] = mean_score(values, note=note, bootstrap=scoring.n_resamples)
            means.setdefault(curve.split, {}).setdefault(curve.extractor, {})[curve.name] = values
        elif curve.name.startswith("kid."):
            grid = dict(zip(curve.psi, curve.k, strict=True))
            found[f"{curve.name}.forget"] = psi_mean_score(grid, curve.value, scoring, curve.n)
        elif curve.name == "clip":
            table = _table(curve)
            found |= {"clip.original": mean_score(table[:, -1]), "clip.unlearned": mean_score(table[:, 0])}
    for split, by_extractor in means.items():
        found |= over_extractors(split, by_extractor, scoring)
    return found


def _separable(record: Record, curve: Curve, scoring: Scoring) -> str:
    """The note that the classifier's AUC calls for."""
    area = record.scores.get(f"auc.{curve.split}.{curve.extractor}")
    return "" if area and area.low is not None and area.low >= scoring.min_auc else "not separable"


def _table(curve: Curve) -> FloatArray:
    return np.asarray(curve.per_prompt, np.float64)


def _curve(curve: Curve, tier: Tier) -> Iterator[tuple[str, str]]:
    """Whether a curve's values and intervals are those of its per-prompt values."""
    if not curve.per_prompt:
        return
    images = None
    if curve.name == "presence":
        images = len(curve.per_prompt) * (tier.seeds.evaluation if curve.split == "forget" else tier.seeds.retain)
    again = make_curve(curve.name, curve.split, dict(zip(curve.psi, curve.k, strict=True)), _table(curve), images)
    for end in ("value", "low", "high"):
        for psi, stored, computed in zip(curve.psi, getattr(curve, end), getattr(again, end), strict=True):
            if not _same(stored, computed):
                yield f"curve {title(curve)}", f"says {end} {_shown(stored)} at ψ = {psi:g}, its prompts {_shown(computed)}"
                return
    if curve.n != again.n:
        yield f"curve {title(curve)}", f"says n = {curve.n}, but holds {again.n} prompts"


def title(curve: Curve) -> str:
    """`presence forget empty`."""
    return " ".join(part for part in (curve.name, curve.split, curve.arm, curve.extractor) if part)


def score_differs(name: str, stored: Score | None, again: Score) -> Iterator[tuple[str, str]]:
    """Where a stored score is not the one that comes out again."""
    if stored is None:
        yield name, "is missing"
        return
    for end in ("value", "low", "high"):
        one, other = getattr(stored, end), getattr(again, end)
        if not _same(one, other):
            yield name, f"says {end} {_shown(one)}, comes out as {_shown(other)}"
            return
    if (stored.n, stored.note) != (again.n, again.note):
        yield name, f"says n = {stored.n} and {stored.note!r}, comes out as n = {again.n} and {again.note!r}"


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _shown(number: float | None) -> str:
    return "none" if number is None else f"{number:.4f}"


def controls_of(record: Record, group: Mapping[str, Record]) -> tuple[Record, ...]:
    """The golds that a record names, in its order; those that are not there are left out."""
    return tuple(group[name] for name in record.controls if name in group)
