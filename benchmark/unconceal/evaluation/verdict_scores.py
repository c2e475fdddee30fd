"""Scores of a record that depend on golds, and the presence curves that they are read from (no torch)."""

from __future__ import annotations

import numpy as np

from unconceal.evaluation.curves import PRESENCE, mean_score
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import Evidence, retain_drops
from unconceal.specs.record import Curve, Record, Score, probe_title
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

MIN_PROMPTS = 10
"""With fewer prompts a concept's own interval is noted as unreliable."""


def presence_curve(record: Record, arm: str, split: str = "forget", name: str = PRESENCE) -> Curve:
    """The presence curve of one arm."""
    return next(curve for curve in record.curves if (curve.name, curve.arm, curve.split) == (name, arm, split))


def prompt_rates(curve: Curve) -> FloatArray:
    """Presence per prompt, (p, ψ)."""
    return np.asarray(curve.per_prompt, float)


def excess_scores(evidence: Evidence, suite: Suite) -> dict[str, Score]:
    """The excess under each probe, whose note names the levels that were read, and the primary score: the largest."""
    assert evidence.excess is not None
    unit, n_resamples = 1 / evidence.original_rate, suite.scores.n_resamples
    by_probe = {
        probe: mean_score(
            values,
            evidence.probe_images(probe, values),
            unit,
            n_resamples=n_resamples,
            note="; ".join(evidence.read_levels.get(probe, ())),
        )
        for probe, values in evidence.excess.items()
    }
    values = {probe: score.value for probe, score in by_probe.items() if score.value is not None}
    largest = max(values, key=lambda probe: values[probe])
    scores = {f"excess.{probe}": score for probe, score in by_probe.items()}
    return {**scores, "excess": by_probe[largest].model_copy(update={"note": probe_title(largest)})}


def retain_drop_score(evidence: Evidence) -> dict[str, Score]:
    """The largest drop of the retained concepts' rate, as a share of θ's."""
    drops = retain_drops(evidence)
    if not drops:
        return {"retain_drop": Score(value=None, n=0, note="the original model shows no retained concept")}
    arm, psi = max(drops, key=lambda key: drops[key].mean)
    mean, interval = drops[arm, psi]
    n, note = len(evidence.retained[arm].presence), f"{arm} arm, ψ = {psi:g}"
    return {"retain_drop": Score(value=mean, low=interval.low, high=interval.high, n=n, note=note)}


def damage_by_concept(record: Record, task: Task, seeds: int) -> dict[str, Score]:
    """Drop of each retained concept's rate at ψ = 0, as a share of θ's rate on the same prompts; positive: damage."""
    rates = prompt_rates(presence_curve(record, "prompt", "retain"))
    rows: dict[str, list[int]] = {}
    for row, prompt in enumerate(task.retain[: len(rates)]):
        rows.setdefault(prompt.concept or "", []).append(row)
    return {concept: relative_drop(rates[indices, 0], rates[indices, -1], seeds) for concept, indices in sorted(rows.items())}


def relative_drop(unlearned: FloatArray, original: FloatArray, seeds: int) -> Score:
    """(θ's rate − θ*'s) / θ's; undefined if θ never shows the concept."""
    if original.mean() <= 0:
        return Score(value=None, n=len(original), note="the original model does not show it")
    rate = float(original.mean())
    return mean_score(
        (original - unlearned) / rate, len(original) * seeds, 1 / rate, note="few prompts" if len(original) < MIN_PROMPTS else ""
    )
