"""From what CLIP saw of neighbours to their damage by every measure, each with its interval, and to the ceiling of a ρ with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.evaluation.assemble import rate_of, score_of
from unconceal.evaluation.probing import Looked
from unconceal.metrics import damage, ordering
from unconceal.metrics.kid import kid
from unconceal.specs.probed import Measure, NeighbourDamage
from unconceal.specs.scores import Score
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts

Values = NDArray[np.float64]
PAIRED: tuple[Measure, ...] = ("clip", "accuracy")
"""Measures on the same seeds of θ and θ*, which have a value per prompt."""
KID_SPLITS = 20
"""Splits for KID's ceiling: each is a KID of every neighbour, where the other measures cost nothing."""


class Sights(NamedTuple):
    """What CLIP saw of the neighbours: θ's gate pictures, and θ's and θ*'s of the same other seeds."""

    gate: Looked
    original: Looked
    unlearned: Looked


def neighbour_damages(neighbours: Sequence[NeighbourPrompts], seen: Sights, rules: Probing) -> tuple[NeighbourDamage, ...]:
    """Gate and damage of every neighbour, in the task's order."""
    return tuple(damage_of(neighbour, place, seen, rules) for place, neighbour in enumerate(neighbours))


def damage_of(neighbour: NeighbourPrompts, place: int, seen: Sights, rules: Probing) -> NeighbourDamage:
    """One neighbour's gate, and its damage by each measure."""
    hits = seen.gate.hits[place]
    gate = rate_of(hits.mean(axis=1), hits.size)
    similarity = damage.fall(seen.original.similarity[place], seen.unlearned.similarity[place])
    accuracy = damage.fall(seen.original.hits[place], seen.unlearned.hits[place])
    return NeighbourDamage(
        concept=neighbour.concept,
        head=neighbour.head,
        gate=gate,
        eligible=gate.value is not None and gate.value >= rules.gate,
        damage={
            "clip": score_of(similarity),
            "accuracy": score_of(accuracy, seen.original.hits[place].size),
            "kid": kid_score(seen.gate.features[place], seen.unlearned.features[place], rules),
        },
        per_prompt={"clip": tuple(map(float, similarity)), "accuracy": tuple(map(float, accuracy))},
    )


def kid_score(gate: Values, unlearned: Values, rules: Probing) -> Score:
    """KID of features (p, s, d), θ's on the gate's seeds against θ*'s on others: equal seeds would pull it below 0."""
    ours, theirs = (part.reshape(-1, part.shape[-1]) for part in (gate, unlearned))
    n, found = min(len(ours), len(theirs)), kid(ours, theirs, least=rules.least_kid, share=0.5)
    if found is None:
        return Score(value=None, n=n, note=f"fewer than {rules.least_kid} pictures give no KID")
    return Score(value=found.mean, n=n, note="no interval: one number over all pictures")


def ceilings(found: Sequence[NeighbourDamage], seen: Sights, rules: Probing) -> dict[Measure, Score]:
    """By measure the ρ that the damage's own split halves leave room for, over the eligible neighbours."""
    places = [place for place, one in enumerate(found) if one.eligible]
    prompts = seen.original.hits.shape[1]
    if len(places) < rules.least or prompts < 2:
        return {}
    said: dict[Measure, Score] = {}
    split = damage.halves(len(places), prompts, rules.splits)
    for measure in PAIRED:
        first, second = damage.halved([found[place].per_prompt[measure] for place in places], split)
        said[measure] = ceiling_score(first, second, len(places))
    if all(found[place].damage["kid"].value is not None for place in places):
        few = damage.Halves(split.first[:KID_SPLITS], split.second[:KID_SPLITS])
        said["kid"] = ceiling_score(kid_halves(seen, places, few.first), kid_halves(seen, places, few.second), len(places))
    return said


def kid_halves(seen: Sights, places: Sequence[int], half: NDArray[np.int64]) -> Values:
    """KID (splits, n) of half of the prompts of each neighbour: subsets of all pictures, so one is enough."""
    width = seen.gate.features.shape[-1]

    def one(place: int, prompts: NDArray[np.int64]) -> float:
        ours, theirs = (looked.features[place][prompts].reshape(-1, width) for looked in (seen.gate, seen.unlearned))
        measured = kid(ours, theirs, subsets=1, least=2)
        return measured.mean if measured else float("nan")

    return np.array([[one(place, prompts) for place, prompts in zip(places, split, strict=True)] for split in half])


def ceiling_score(first: Values, second: Values, n: int) -> Score:
    """The ceiling of ρ; None where the damages have no order at all."""
    found = ordering.split_half(first, second)
    if found is None:
        return Score(value=None, n=n, note="the damage has no order")
    return Score(value=found.ceiling, n=n, note=f"split-half reliability {found.value:.2f}")
