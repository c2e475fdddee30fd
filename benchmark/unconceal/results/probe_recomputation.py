"""What probe sets found once more: damage from its prompts, every ρ and ceiling from damage and nearness, rates from the attacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from unconceal.probing.attacks import attack_rates
from unconceal.probing.neighbour_order import ceilings, rank_correlations
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

Again = tuple[str, Score | None, Score]


def probed_again(found: ProbeResults, attacks: Mapping[str, Score], rules: Probing) -> Iterator[Again]:
    """(what, the score that is stored, the one that comes out) of every aggregate; what golds did to an attack lies in their records."""
    yield from damages_again(found, rules)
    stored = {(one.ranker, one.measure): one.rho for one in found.rank_correlations}
    for ordering in rank_correlations(found.rankers, found.neighbours, rules):
        yield f"ρ {ordering.ranker} {ordering.measure}", stored.get((ordering.ranker, ordering.measure)), ordering.rho
    for measure, score in ceilings(found.neighbours, rules).items():
        yield f"ceiling {measure}", found.ceilings.get(measure), score
    rates = {(one.probe_set, one.attribute): one.rate for one in found.attack_rates}
    for rate in attack_rates(found.attacks):
        name = f"attacks {rate.probe_set}" + (f" {rate.attribute}" if rate.attribute else "")
        yield name, rates.get((rate.probe_set, rate.attribute)), rate.rate
        if rate.attribute is None:
            yield f"{name} of the record", attacks.get(rate.probe_set), rate.rate


def damages_again(found: ProbeResults, rules: Probing) -> Iterator[Again]:
    """Each damage is the mean of its prompts, and a neighbour is eligible by its gate."""
    for one in found.neighbours:
        for measure, values in one.per_prompt.items():
            stored = one.damage.get(measure)
            mean = float(np.mean(values))
            yield f"damage {one.concept} {measure}", stored, (stored or Score(value=None, n=0)).model_copy(update={"value": mean})
        eligible = one.gate_accuracy.value is not None and one.gate_accuracy.value >= rules.min_gate_accuracy
        expected = Score(value=float(eligible), n=one.gate_accuracy.n)
        yield f"eligible {one.concept}", Score(value=float(one.eligible), n=one.gate_accuracy.n), expected
