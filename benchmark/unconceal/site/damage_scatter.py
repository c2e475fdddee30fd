"""How near a record's neighbours are to its target, and what became of them: the points of the damage scatter."""

from __future__ import annotations

from collections.abc import Mapping

from unconceal.site.svg_charts import Mark
from unconceal.specs.probe_results import ProbeResults, ProximityRanker
from unconceal.specs.record import Score

MEASURE = "clip"


def orderer_of(probed: ProbeResults) -> ProximityRanker | None:
    """The first that says how similar: language models come first."""
    return next((one for one in probed.orderers if one.similarity), None)


def damage_marks(probed: ProbeResults, orderer: ProximityRanker) -> tuple[Mark, ...]:
    """A mark per eligible neighbour whose damage and similarity are known."""
    known = [(one.concept, one.damage[MEASURE]) for one in probed.neighbours if one.eligible and MEASURE in one.damage]
    return tuple(Mark(concept, orderer.similarity[concept], score) for concept, score in known if concept in orderer.similarity)


def damage_order(damage: Mapping[str, Score]) -> tuple[tuple[str, Score], ...]:
    """Concepts whose damage is known, the most damaged first."""
    known = [(concept, score) for concept, score in damage.items() if score.value is not None]
    return tuple(sorted(known, key=lambda one: (-(one[1].value or 0.0), one[0])))
