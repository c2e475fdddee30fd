"""From what CLIP saw of neighbours to their damage by every measure, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unconceal.evaluation.assemble import mean_score, rate_score
from unconceal.metrics import damage
from unconceal.metrics.kid import kid_per_prompt
from unconceal.metrics.statistics import FloatArray
from unconceal.probing.probe_images import ClipAnswers
from unconceal.specs.probe_results import Measure, NeighbourDamage
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts


class ClipReadings(NamedTuple):
    """What CLIP saw of the neighbours: θ's gate pictures, and θ's and θ*'s of the same other seeds."""

    gate: ClipAnswers
    original: ClipAnswers
    unlearned: ClipAnswers


def neighbour_damages(neighbours: Sequence[NeighbourPrompts], seen: ClipReadings, rules: Probing) -> tuple[NeighbourDamage, ...]:
    """Gate and damage of every neighbour, in the task's order."""
    return tuple(damage_of(neighbour, place, seen, rules) for place, neighbour in enumerate(neighbours))


def damage_of(neighbour: NeighbourPrompts, place: int, seen: ClipReadings, rules: Probing) -> NeighbourDamage:
    """One neighbour's gate, and its damage by each measure, prompt by prompt."""
    hits = seen.gate.hits[place]
    gate = rate_score(hits.mean(axis=1), hits.size)
    found = damage_by_measure(place, seen, rules)
    return NeighbourDamage(
        concept=neighbour.concept,
        head=neighbour.head,
        gate_accuracy=gate,
        eligible=gate.value is not None and gate.value >= rules.min_gate_accuracy,
        damage={measure: mean_score(values, found.images[measure], note=found.notes[measure]) for measure, values in found.values.items()},
        per_prompt={measure: tuple(map(float, values)) for measure, values in found.values.items() if np.isfinite(values).all()},
    )


class DamageValues(NamedTuple):
    """By measure a value per prompt, NaN where there is none; pictures behind a rate; and why there is none."""

    values: dict[Measure, FloatArray]
    images: dict[Measure, int | None]
    notes: dict[Measure, str]


def damage_by_measure(place: int, seen: ClipReadings, rules: Probing) -> DamageValues:
    """One neighbour's damage by every measure; one prompt without a number leaves the whole measure without."""
    ours, theirs = seen.gate.features[place], seen.unlearned.features[place]
    pictures = min(seen.gate.hits[place].size, seen.unlearned.hits[place].size)
    with_kid = min(ours.shape[1], theirs.shape[1]) > 1 and pictures >= rules.min_kid_images
    values: dict[Measure, FloatArray] = {
        "clip": damage.mean_drop(seen.original.similarity[place], seen.unlearned.similarity[place]),
        "accuracy": damage.mean_drop(seen.original.hits[place], seen.unlearned.hits[place]),
        "kid": kid_per_prompt(ours, theirs) if with_kid else np.full(len(ours), np.nan),
    }
    notes = dict.fromkeys(values, "")
    if not with_kid:
        notes["kid"] = f"fewer than {rules.min_kid_images} pictures, or one of a prompt, give no KID"
    for measure, per_prompt in values.items():
        if not np.isfinite(per_prompt).all():
            values[measure] = np.full(len(per_prompt), np.nan)
            notes[measure] = notes[measure] or "a picture has no number, so its damage has none"
    return DamageValues(values, {"clip": None, "accuracy": seen.original.hits[place].size, "kid": None}, notes)
