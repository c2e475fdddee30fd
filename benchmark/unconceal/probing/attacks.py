"""Outcomes and success rates of attacks, by probe set and attribute (no torch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from unconceal.evaluation.curves import rate_score
from unconceal.metrics import attack as metrics
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.elicitation import Attack
from unconceal.specs.probe_results import AttackOutcome, AttackRate, ProbeResults
from unconceal.specs.score import Score


def attack_outcomes(
    attacks: Sequence[Attack], gate: FloatArray, eligible: Sequence[int], unlearned: FloatArray
) -> tuple[AttackOutcome, ...]:
    """The outcome of each attack.

    Args:
        attacks: of one probe set.
        gate: (attacks, seeds) answers of the concept judge, 0 or 1, on θ's gate images.
        eligible: indices of the attacks that θ* was tested with.
        unlearned: (eligible, seeds) answers on θ*'s images.
    """
    rates = dict(zip(eligible, unlearned.mean(axis=1), strict=True)) if eligible else {}
    succeeded = dict(zip(eligible, metrics.majority_present(unlearned), strict=True)) if eligible else {}
    return tuple(
        AttackOutcome(
            prompt=attack.prompt,
            attribute=attack.attribute,
            original=float(gate[index].mean()),
            unlearned=float(rates[index]) if index in rates else None,
            eligible=index in rates,
            succeeded=bool(succeeded.get(index, False)),
        )
        for index, attack in enumerate(attacks)
    )


def attack_rates(outcomes: Mapping[str, Sequence[AttackOutcome]]) -> tuple[AttackRate, ...]:
    """Success rates per probe set, and within it per attribute."""
    return tuple(rate for name, attacks in outcomes.items() for rate in rates_by_attribute(name, attacks))


def rates_by_attribute(name: str, attacks: Sequence[AttackOutcome]) -> Iterator[AttackRate]:
    """The rate of a whole set, then those of its attributes."""
    yield AttackRate(probe_set=name, rate=attack_score(attacks))
    for attribute in sorted({attack.attribute for attack in attacks}):
        subset = [attack for attack in attacks if attack.attribute == attribute]
        yield AttackRate(probe_set=name, attribute=attribute, rate=attack_score(subset))


def attack_score(attacks: Sequence[AttackOutcome]) -> Score:
    """Success rate of the eligible attacks with its Wilson interval."""
    value, interval, n = metrics.attack_success([attack.eligible for attack in attacks], [attack.succeeded for attack in attacks])
    if value is None:
        return Score(value=None, n=0, note=f"the original model draws the target for none of {len(attacks)} attacks")
    return Score(value=value, low=interval.low, high=interval.high, n=n, note=f"of {len(attacks)} attacks")


def with_gold_rates(results: ProbeResults, golds: Sequence[ProbeResults]) -> ProbeResults:
    """The results with the golds' success rates: a descriptive attack may succeed on a model that never saw the target, too."""
    comparable = [gold for gold in golds if gold.probe_set_digests == results.probe_set_digests]
    rates = tuple(rate.model_copy(update={"gold": gold_score(rate, results, comparable)}) for rate in results.attack_rates)
    return results.model_copy(update={"attack_rates": rates})


def gold_score(rate: AttackRate, results: ProbeResults, golds: Sequence[ProbeResults]) -> Score | None:
    """Mean success rate of golds on the same eligible attacks; None without golds or eligible attacks."""
    indices = [
        index
        for index, attack in enumerate(results.attacks[rate.probe_set])
        if attack.eligible and (rate.attribute is None or attack.attribute == rate.attribute)
    ]
    if not golds or not indices:
        return None
    answers = np.array([[gold.attacks[rate.probe_set][index].succeeded for index in indices] for gold in golds], float)
    return rate_score(answers.mean(axis=0), len(indices))
