"""From what CLIP saw of neighbours to their damage by every measure, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.evaluation.assemble import rate_of, score_of
from unconceal.metrics import damage
from unconceal.metrics.kid import kid_within
from unconceal.probing.probe_images import ClipAnswers
from unconceal.specs.probe_results import Measure, NeighbourDamage
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts

Values = NDArray[np.float64]


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
    gate = rate_of(hits.mean(axis=1), hits.size)
    found = falls(place, seen, rules)
    return NeighbourDamage(
        concept=neighbour.concept,
        head=neighbour.head,
        gate=gate,
        eligible=gate.value is not None and gate.value >= rules.gate,
        damage={measure: score_of(values, found.images[measure], note=found.notes[measure]) for measure, values in found.values.items()},
        per_prompt={measure: tuple(map(float, values)) for measure, values in found.values.items() if np.isfinite(values).all()},
    )


class Falls(NamedTuple):
    """By measure a value per prompt, NaN where there is none; pictures behind a rate; and why there is none."""

    values: dict[Measure, Values]
    images: dict[Measure, int | None]
    notes: dict[Measure, str]


def falls(place: int, seen: ClipReadings, rules: Probing) -> Falls:
    """One neighbour's damage by every measure; one prompt without a number leaves the whole measure without."""
    ours, theirs = seen.gate.features[place], seen.unlearned.features[place]
    pictures = min(seen.gate.hits[place].size, seen.unlearned.hits[place].size)
    with_kid = min(ours.shape[1], theirs.shape[1]) > 1 and pictures >= rules.least_kid
    values: dict[Measure, Values] = {
        "clip": damage.fall(seen.original.similarity[place], seen.unlearned.similarity[place]),
        "accuracy": damage.fall(seen.original.hits[place], seen.unlearned.hits[place]),
        "kid": kid_within(ours, theirs) if with_kid else np.full(len(ours), np.nan),
    }
    notes = dict.fromkeys(values, "")
    if not with_kid:
        notes["kid"] = f"fewer than {rules.least_kid} pictures, or one of a prompt, give no KID"
    for measure, per_prompt in values.items():
        if not np.isfinite(per_prompt).all():
            values[measure] = np.full(len(per_prompt), np.nan)
            notes[measure] = notes[measure] or "a picture has no number, so its damage has none"
    return Falls(values, {"clip": None, "accuracy": seen.original.hits[place].size, "kid": None}, notes)
