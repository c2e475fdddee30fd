"""Recomputes the aggregates of a record from its own per-prompt values and its golds, so that an edited number does not go unnoticed.

:data:`NOT_RECOMPUTED` lists what a record cannot prove by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isclose
from typing import NamedTuple

import numpy as np

from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.curves import ORIGINAL_PRESENCE, PRESENCE, make_curve, mean_over_extractors, mean_score, psi_mean_score
from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.statistics import FloatArray
from unconceal.results.original_agreement import gold_disagreements
from unconceal.results.planned_curves import EXTRACTOR_CURVES, curve_flaws
from unconceal.results.probe_recomputation import recompute_probe_results, unaccounted
from unconceal.specs.record import Curve, Record, Score
from unconceal.specs.suite import Scoring, Suite, Tier
from unconceal.specs.task import Task

NOT_RECOMPUTED = ("auc.", "crs.calibrated.")
"""Scores over single images, whose values are not in a record. Levels of the battery that are not scored enter no score either."""
PRESENCE_CURVES = (PRESENCE, ORIGINAL_PRESENCE)
VERDICT_SCORES = ("excess", "presence", "psi_star", "retain_drop")
"""Scores that are computed against golds, by the first part of their names."""
TOLERANCE = 1e-6
UNACCOUNTED = "follows from nothing in the record"
FIELDS = ("value", "low", "high")


class Disagreement(NamedTuple):
    """A stored value that is not reproduced: which one, and how it differs."""

    name: str
    text: str


def disagreements(record: Record, golds: Sequence[Record], suite: Suite, task: Task) -> Iterator[Disagreement]:
    """Every value of a record that is not reproduced.

    Args:
        record: the record.
        golds: the golds that it names, see :func:`named_controls`.
        suite: the suite, of the record's version.
        task: the record's task.
    """
    tier = suite.tier(record.tier)
    if record.stopping is None and record.protocol == suite.protocol:
        yield from (Disagreement(name, text) for name, text in curve_flaws(record, suite, task, tier))
    for curve in record.curves:
        yield from curve_disagreements(curve, tier)
    yield from original_disagreements(record)
    yield from battery_disagreements(record, suite, task, tier)
    yield from (Disagreement(name, text) for name, text in gold_disagreements(record, golds))
    try:
        recomputed = compute_verdict(record, golds, suite, task)
        verdict_scores = {name: score for name, score in recomputed.scores.items() if name.partition(".")[0] in VERDICT_SCORES}
        expected = scores_from_curves(record, suite.scores) | verdict_scores
    except (ValueError, StopIteration, IndexError, ArithmeticError, CheckFailed) as error:
        yield Disagreement("curves", f"do not suffice to compute the scores ({error or type(error).__name__})")
        return
    for name, score in expected.items():
        yield from score_disagreements(f"score {name}", record.scores.get(name), score)
    for concept, score in recomputed.damage.items():
        yield from score_disagreements(f"damage {concept}", record.damage.get(concept), score)
    yield from _unplanned(record, expected.keys() | image_score_names(record), recomputed.damage.keys())
    if record.probe_results and suite.probing:
        pairs = list(recompute_probe_results(record.probe_results, record.attacks, suite.probing))
        for pair in pairs:
            yield from score_disagreements(pair.name, pair.stored, pair.recomputed)
        for name in unaccounted(record.probe_results, {pair.name for pair in pairs}):
            yield Disagreement(f"probe results: {name}", UNACCOUNTED)
    if record.verdict != recomputed.verdict:
        verdict = recomputed.verdict
        yield Disagreement(f"verdict {record.verdict.label}", f"is recomputed as {verdict.label} ({verdict.reason})")


def image_score_names(record: Record) -> set[str]:
    """Names of the scores over single images that belong to the record's curves."""
    splits = {(curve.split, curve.extractor) for curve in record.curves if curve.name in EXTRACTOR_CURVES}
    splits |= {(split, "mean") for split, _ in splits}
    return {f"{prefix}{split}.{extractor}" for prefix in NOT_RECOMPUTED for split, extractor in splits}


def _unplanned(record: Record, scores: Collection[str], damage: Collection[str]) -> Iterator[Disagreement]:
    """Entries that nothing in the record accounts for."""
    # Rates of attacks are those of the probe sets; a record without probe results has none.
    attacks = record.probe_results.attacks.keys() if record.probe_results else set()
    for field, planned in (("scores", scores), ("damage", damage), ("attacks", attacks)):
        for name in sorted(getattr(record, field).keys() - set(planned)):
            yield Disagreement(f"{field}.{name}", UNACCOUNTED)


def scores_from_curves(record: Record, scoring: Scoring) -> dict[str, Score]:
    """Every score that is a mean of one of the record's curves."""
    scores: dict[str, Score] = {}
    means: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for curve in record.curves:
        if curve.name in EXTRACTOR_CURVES and curve.extractor:
            values = mean_over_psi(curve.psi, _per_prompt(curve), scoring.mean_psi[1], scoring.mean_psi[0])
            note = _separability_note(record, curve, scoring)
            scores[f"{curve.name}.{curve.split}.{curve.extractor}"] = mean_score(values, note=note, n_resamples=scoring.n_resamples)
            means.setdefault(curve.split, {}).setdefault(curve.extractor, {})[curve.name] = values
        elif curve.name.startswith("kid."):
            grid = dict(zip(curve.psi, curve.k, strict=True))
            scores[f"{curve.name}.forget"] = psi_mean_score(grid, curve.value, scoring, curve.n)
        elif curve.name == "clip":
            values = _per_prompt(curve)
            scores |= {"clip.original": mean_score(values[:, -1]), "clip.unlearned": mean_score(values[:, 0])}
    for split, by_extractor in means.items():
        scores |= mean_over_extractors(split, by_extractor, scoring)
    return scores


def curve_disagreements(curve: Curve, tier: Tier) -> Iterator[Disagreement]:
    """Whether a curve's values and intervals follow from its per-prompt values; the first difference only."""
    if not curve.per_prompt:
        return
    name, n_images = f"curve {curve.key}", None
    if curve.name in PRESENCE_CURVES:
        n_images = len(curve.per_prompt) * (tier.seeds.evaluation if curve.split == "forget" else tier.seeds.retain)
    expected = make_curve(curve.name, curve.split, dict(zip(curve.psi, curve.k, strict=True)), _per_prompt(curve), n_images)
    for field in FIELDS:
        for psi, stored, recomputed in zip(curve.psi, getattr(curve, field), getattr(expected, field), strict=True):
            if not _is_close(stored, recomputed):
                yield Disagreement(name, f"has {field} {_text(stored)} at ψ = {psi:g}, recomputed {_text(recomputed)}")
                return
    if curve.n != expected.n:
        yield Disagreement(name, f"has n = {curve.n}, but {expected.n} prompts")


def original_disagreements(record: Record) -> Iterator[Disagreement]:
    """Whether all presence curves of a split end in the same images: those of θ alone, at ψ = 1."""
    for split in ("forget", "retain"):
        presence = [curve for curve in record.curves if curve.name in PRESENCE_CURVES and curve.split == split]
        curves = [curve for curve in presence if curve.per_prompt and curve.psi[-1] == 1]
        for curve in curves[1:]:
            if [row[-1] for row in curve.per_prompt] != [row[-1] for row in curves[0].per_prompt]:
                yield Disagreement(f"curve {curve.key}", f"differs at ψ = 1 from {curves[0].key}")


def battery_disagreements(record: Record, suite: Suite, task: Task, tier: Tier) -> Iterator[Disagreement]:
    """Whether the battery's results have the shape and the cost that suite and tier ask for."""
    if record.stopping is not None:
        return  # measured for as many prompts as its looks asked for
    for name in sorted({*record.battery} ^ {*tier.probes}):
        yield Disagreement(f"battery {name}", "is missing" if name in tier.probes else f"is no probe of the tier {record.tier}")
    if not record.battery:
        return
    # It loads torch, which records without a battery do not need.
    from unconceal.battery import PROBES
    from unconceal.battery.probe import ProbeScope

    scope = replace(ProbeScope.from_specs(suite, tier, task), rule=record.inference)
    for name in tier.probes:
        if (measurement := record.battery.get(name)) is None:
            continue
        plan = PROBES[name].plan(scope)
        expected = {"levels": plan.levels, "scored": plan.scored, "images_per_prompt": plan.images_per_prompt, **plan.cost._asdict()}
        for field, value in expected.items():
            if getattr(measurement, field) != value:
                yield Disagreement(f"battery {name}", f"has {field} {getattr(measurement, field)}, planned {value}")
        if len(measurement.per_prompt) > len(scope.forget):
            yield Disagreement(f"battery {name}", f"has {len(measurement.per_prompt)} prompts, more than {len(scope.forget)}")


def score_disagreements(name: str, stored: Score | None, recomputed: Score) -> Iterator[Disagreement]:
    """The first difference of a stored and a recomputed score."""
    if stored is None:
        yield Disagreement(name, "is missing")
        return
    for field in FIELDS:
        stored_value, value = getattr(stored, field), getattr(recomputed, field)
        if not _is_close(stored_value, value):
            yield Disagreement(name, f"has {field} {_text(stored_value)}, recomputed {_text(value)}")
            return
    if (stored.n, stored.note) != (recomputed.n, recomputed.note):
        text = f"has n = {stored.n} and note {stored.note!r}, recomputed n = {recomputed.n} and {recomputed.note!r}"
        yield Disagreement(name, text)


def named_controls(record: Record, group: Mapping[str, Record]) -> tuple[Record, ...]:
    """The golds that a record names, in its order, as far as they are in ``group``, records by submission."""
    return tuple(group[name] for name in record.controls if name in group)


def _separability_note(record: Record, curve: Curve, scoring: Scoring) -> str:
    """The note of a score whose classifier does not separate the two models' images."""
    auc = record.scores.get(f"auc.{curve.split}.{curve.extractor}")
    return "" if auc and auc.low is not None and auc.low >= scoring.min_auc else "not separable"


def _per_prompt(curve: Curve) -> FloatArray:
    """(n_prompts, n_psi)."""
    return np.asarray(curve.per_prompt, np.float64)


def _is_close(stored: float | None, recomputed: float | None) -> bool:
    if stored is None or recomputed is None:
        return stored is recomputed
    return isclose(stored, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
