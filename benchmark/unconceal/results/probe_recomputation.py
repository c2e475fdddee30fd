"""Recomputes probe results: damage from its prompts, every ρ and ceiling from damage and proximity, rates from the attacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unconceal.probing.attacks import attack_rates
from unconceal.probing.neighbour_order import ceilings, rank_correlations
from unconceal.specs.probe_results import NeighbourDamage, ProbeResults
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing


class ScorePair(NamedTuple):
    """A score as stored (None if it is missing) and as recomputed."""

    name: str
    stored: Score | None
    recomputed: Score


def recompute_probe_results(results: ProbeResults, attacks: Mapping[str, Score], probing: Probing) -> Iterator[ScorePair]:
    """Every aggregate of probe results. The golds' attack rates are in their own records and are not recomputed.

    Args:
        results: the record's probe results.
        attacks: the record's attack scores, by probe set.
        probing: the suite's parameters.
    """
    for neighbour in results.neighbours:
        yield from damage_pairs(neighbour, probing)
    stored_rhos = {(correlation.ranker, correlation.measure): correlation.rho for correlation in results.rank_correlations}
    for correlation in rank_correlations(results.rankers, results.neighbours, probing):
        key = (correlation.ranker, correlation.measure)
        yield ScorePair(f"ρ {correlation.ranker} {correlation.measure}", stored_rhos.get(key), correlation.rho)
    for measure, score in ceilings(results.neighbours, probing).items():
        yield ScorePair(f"ceiling {measure}", results.ceilings.get(measure), score)
    stored_rates = {(rate.probe_set, rate.attribute): rate.rate for rate in results.attack_rates}
    for rate in attack_rates(results.attacks):
        name = f"attacks {rate.probe_set}" + (f" {rate.attribute}" if rate.attribute else "")
        yield ScorePair(name, stored_rates.get((rate.probe_set, rate.attribute)), rate.rate)
        if rate.attribute is None:
            yield ScorePair(f"{name} of the record", attacks.get(rate.probe_set), rate.rate)


def unaccounted(results: ProbeResults, recomputed: Collection[str]) -> list[str]:
    """Names of stored aggregates that are the aggregate of nothing; ``recomputed``: names of all that were."""
    stored = [f"ρ {correlation.ranker} {correlation.measure}" for correlation in results.rank_correlations]
    stored += [f"ceiling {measure}" for measure in results.ceilings]
    stored += [f"attacks {rate.probe_set}" + (f" {rate.attribute}" if rate.attribute else "") for rate in results.attack_rates]
    stored += [f"damage {neighbour.concept} {measure}" for neighbour in results.neighbours for measure in neighbour.damage]
    return sorted({name for name in stored if name not in recomputed or stored.count(name) > 1})


def damage_pairs(neighbour: NeighbourDamage, probing: Probing) -> Iterator[ScorePair]:
    """Each damage is the mean over its prompts; a neighbour is eligible if the original draws it often enough."""
    for measure, values in neighbour.per_prompt.items():
        stored = neighbour.damage.get(measure)
        mean = (stored or Score(value=None, n=0)).model_copy(update={"value": float(np.mean(values))})
        yield ScorePair(f"damage {neighbour.concept} {measure}", stored, mean)
    accuracy = neighbour.gate_accuracy
    eligible = accuracy.value is not None and accuracy.value >= probing.min_gate_accuracy
    stored, expected = (Score(value=float(flag), n=accuracy.n) for flag in (neighbour.eligible, eligible))
    yield ScorePair(f"eligible {neighbour.concept}", stored, expected)
