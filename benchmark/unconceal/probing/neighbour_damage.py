"""The damage of each neighbour by every measure, with confidence intervals, from CLIP's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unconceal.evaluation.curves import mean_score, rate_score
from unconceal.metrics import damage
from unconceal.metrics.kid import kid_per_prompt
from unconceal.metrics.statistics import FloatArray
from unconceal.probing.probe_images import ClipAnswers
from unconceal.specs.probe_results import Measure, NeighbourDamage
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts


class ClipReadings(NamedTuple):
    """CLIP's outputs on the neighbours: θ's gate images, and θ's and θ*'s images of the same other seeds."""

    gate: ClipAnswers
    original: ClipAnswers
    unlearned: ClipAnswers


def neighbour_damages(neighbours: Sequence[NeighbourPrompts], readings: ClipReadings, rules: Probing) -> tuple[NeighbourDamage, ...]:
    """Gate and damage of every neighbour, in the task's order."""
    return tuple(damage_of(neighbour, index, readings, rules) for index, neighbour in enumerate(neighbours))


def damage_of(neighbour: NeighbourPrompts, index: int, readings: ClipReadings, rules: Probing) -> NeighbourDamage:
    """Gate and damage of one neighbour."""
    hits = readings.gate.hits[index]
    gate_accuracy = rate_score(hits.mean(axis=1), hits.size)
    by_measure = damage_by_measure(index, readings, rules)
    return NeighbourDamage(
        concept=neighbour.concept,
        head=neighbour.head,
        gate_accuracy=gate_accuracy,
        eligible=gate_accuracy.value is not None and gate_accuracy.value >= rules.min_gate_accuracy,
        damage={
            measure: mean_score(values, by_measure.n_images[measure], note=by_measure.notes[measure])
            for measure, values in by_measure.values.items()
        },
        per_prompt={measure: tuple(map(float, values)) for measure, values in by_measure.values.items() if np.isfinite(values).all()},
    )


class DamageValues(NamedTuple):
    """By measure: one value per prompt, NaN if undefined; the number of images behind a rate; and the reason if undefined."""

    values: dict[Measure, FloatArray]
    n_images: dict[Measure, int | None]
    notes: dict[Measure, str]


def damage_by_measure(index: int, readings: ClipReadings, rules: Probing) -> DamageValues:
    """One neighbour's damage by every measure; if one prompt is undefined, the whole measure is."""
    gate_features, features = readings.gate.features[index], readings.unlearned.features[index]
    n_images = min(readings.gate.hits[index].size, readings.unlearned.hits[index].size)
    with_kid = min(gate_features.shape[1], features.shape[1]) > 1 and n_images >= rules.min_kid_images
    values: dict[Measure, FloatArray] = {
        "clip": damage.mean_drop(readings.original.similarity[index], readings.unlearned.similarity[index]),
        "accuracy": damage.mean_drop(readings.original.hits[index], readings.unlearned.hits[index]),
        "kid": kid_per_prompt(gate_features, features) if with_kid else np.full(len(gate_features), np.nan),
    }
    notes = dict.fromkeys(values, "")
    if not with_kid:
        notes["kid"] = f"KID needs at least {rules.min_kid_images} images, and two per prompt"
    for measure, per_prompt in values.items():
        if not np.isfinite(per_prompt).all():
            values[measure] = np.full(len(per_prompt), np.nan)
            notes[measure] = notes[measure] or "an image has no value, so its damage is undefined"
    return DamageValues(values, {"clip": None, "accuracy": readings.original.hits[index].size, "kid": None}, notes)
