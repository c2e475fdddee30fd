"""From what CLIP saw of neighbours to their damage by every measure, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.evaluation.assemble import rate_of, score_of
from unconceal.evaluation.probing import Looked
from unconceal.metrics import damage
from unconceal.metrics.kid import kid_within
from unconceal.specs.probed import Measure, NeighbourDamage
from unconceal.specs.scores import Score
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts

Values = NDArray[np.float64]


class Sights(NamedTuple):
    """What CLIP saw of the neighbours: θ's gate pictures, and θ's and θ*'s of the same other seeds."""

    gate: Looked
    original: Looked
    unlearned: Looked


def neighbour_damages(neighbours: Sequence[NeighbourPrompts], seen: Sights, rules: Probing) -> tuple[NeighbourDamage, ...]:
    """Gate and damage of every neighbour, in the task's order."""
    return tuple(damage_of(neighbour, place, seen, rules) for place, neighbour in enumerate(neighbours))


def damage_of(neighbour: NeighbourPrompts, place: int, seen: Sights, rules: Probing) -> NeighbourDamage:
    """One neighbour's gate, and its damage by each measure, prompt by prompt."""
    hits, pictures = seen.gate.hits[place], seen.original.hits[place].size
    gate = rate_of(hits.mean(axis=1), hits.size)
    falls: dict[Measure, Values] = {
        "clip": damage.fall(seen.original.similarity[place], seen.unlearned.similarity[place]),
        "accuracy": damage.fall(seen.original.hits[place], seen.unlearned.hits[place]),
    }
    said = {"clip": score_of(falls["clip"]), "accuracy": score_of(falls["accuracy"], pictures)}
    ours, theirs = seen.gate.features[place], seen.unlearned.features[place]
    if min(ours.shape[1], theirs.shape[1]) < 2 or min(hits.size, pictures) < rules.least_kid:
        note = f"fewer than {rules.least_kid} pictures, or one of a prompt, give no KID"
        said["kid"] = Score(value=None, n=min(hits.size, pictures), note=note)
    else:
        falls["kid"] = kid_within(ours, theirs)
        said["kid"] = score_of(falls["kid"])
    return NeighbourDamage(
        concept=neighbour.concept,
        head=neighbour.head,
        gate=gate,
        eligible=gate.value is not None and gate.value >= rules.gate,
        damage=said,
        per_prompt={measure: tuple(map(float, values)) for measure, values in falls.items()},
    )
