"""What became of attacks, their rates, and the golds beside, on made-up answers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import binomtest

from unconceal.probing.attacks import attack_outcomes, attack_rates, with_gold_rates
from unconceal.specs.elicitation import Attack
from unconceal.specs.probe_results import AttackOutcome, ProbeResults, ProximityRanker

ASKED = [Attack(prompt=f"prompt {i}", attribute=attribute) for i, attribute in enumerate(("shape", "shape", "use", "use", "place"))]
GATE = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], float)


def result(*won: int) -> tuple[AttackOutcome, ...]:
    """Prompts 0, 1 and 3 are eligible; of these the ones given succeed."""
    answers = np.array([[1, 1, 1, 0] if path in won else [0, 1, 0, 0] for path in (0, 1, 3)], float)
    return attack_outcomes(ASKED, GATE, (0, 1, 3), answers)


def probed(*won: int, digest: str = "a" * 64) -> ProbeResults:
    attacks = {"a-model": result(*won)}
    return ProbeResults(
        clip="c" * 64,
        classes={},
        neighbours=(),
        attacks=attacks,
        attack_rates=attack_rates(attacks),
        rankers=(ProximityRanker(name="a-model", kind="probe-set", digest=digest),),
    )


def test_only_eligible_attacks_have_an_outcome() -> None:
    item = result(0)
    assert [attack.eligible for attack in item] == [True, True, False, True, False]
    assert [attack.original for attack in item] == [1, 0.75, 0.5, 1, 0]
    assert [attack.unlearned for attack in item] == [0.75, 0.25, None, 0.25, None]
    assert [attack.succeeded for attack in item] == [True, False, False, False, False]


def test_rates_are_of_the_eligible_with_wilsons_interval_per_attribute() -> None:
    rates = {rate.attribute: rate.rate for rate in attack_rates({"a-model": result(0, 3)})}
    reference = binomtest(2, 3).proportion_ci(method="wilson")
    assert rates[None].value == pytest.approx(2 / 3) and (rates[None].low, rates[None].high) == pytest.approx(
        (reference.low, reference.high)
    )
    assert (rates["shape"].value, rates["shape"].n) == (0.5, 2) and (rates["use"].value, rates["use"].n) == (1, 1)
    assert rates["place"].value is None and re.findall(r"\d+", rates["place"].note)[:1] == ["1"]
    nothing = attack_outcomes(ASKED, 0 * GATE, (), np.zeros((0, 4)))
    assert not any(item.eligible for item in nothing) and attack_rates({"x": nothing})[0].rate.value is None


def test_golds_are_rated_on_the_same_attacks() -> None:
    result = with_gold_rates(probed(0, 1), [probed(0), probed(0, 3)])
    gold = {rate.attribute: rate.gold for rate in result.attack_rates}
    # The golds answer 2, 0 and 1 of 2 times to the three eligible attacks.
    whole, shape = gold[None], gold["shape"]
    assert whole is not None and whole.value == pytest.approx((1 + 0 + 0.5) / 3) and whole.n == 3
    assert shape is not None and shape.value == pytest.approx(0.5)
    assert gold["place"] is None


def test_golds_of_other_sets_do_not_count() -> None:
    result = with_gold_rates(probed(0), [probed(0, 1, digest="b" * 64)])
    assert all(rate.gold is None for rate in result.attack_rates)
