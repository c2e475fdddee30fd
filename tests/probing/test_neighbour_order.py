"""ρ by orderer and measure, and every reason why there is none, on made-up damages."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr

from unconceal.probing.neighbour_order import ceilings, rank_correlations
from unconceal.specs.probe_results import NeighbourDamage, ProximityRanker, RankCorrelation
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

RULES = Probing(gate_seeds=2, seeds=2, n_resamples=300, n_splits=20)
NEAR = ProximityRanker(name="a-model", kind="probe-set", proximity={f"c{i}": float(-i) for i in range(12)})
NO_KID = Score(value=None, n=4, note="no KID")
CHANCE = ProximityRanker(name="random", kind="random")


def damaged(values: list[float | None], eligible: int = 12, note: str = "") -> list[NeighbourDamage]:
    """Neighbours c0, c1, … of these damages, the first ``eligible`` of which θ can draw."""
    return [
        NeighbourDamage(
            concept=f"c{i}",
            head="subject",
            gate_accuracy=Score(value=1, n=4),
            eligible=i < eligible,
            damage={"clip": Score(value=value, n=4, note=note), "accuracy": Score(value=value, n=4), "kid": NO_KID},
            per_prompt={} if value is None else {"clip": (value, value + 0.1 * (-1) ** i), "accuracy": (value, value)},
        )
        for i, value in enumerate(values)
    ]


def rho(found: list[NeighbourDamage], measure: str = "clip", orderer: ProximityRanker = NEAR) -> RankCorrelation:
    return next(one for one in rank_correlations([orderer], found, RULES) if one.measure == measure)


VALUES: list[float | None] = [0.9, 0.7, 0.8, 0.3, 0.6, 0.2, 0.4, 0.1, 0.0, 0.15, 0.05, 0.12]


def test_rho_is_of_the_eligible_neighbours_alone() -> None:
    found = rho(damaged(VALUES, eligible=9))
    expected = spearmanr(range(9), [-(value or 0) for value in VALUES[:9]])
    assert found.rho.value == pytest.approx(expected.statistic) and found.rho.n == 9 and found.rho.note == ""
    assert found.p is not None and found.p < 0.05 and found.ties == 0


def test_too_few_neighbours_give_no_rho_and_the_note_says_why() -> None:
    found = rho(damaged(VALUES, eligible=7))
    assert found.rho.value is None and found.p is None
    assert found.rho.note == "7 of 12 neighbours are eligible and ranked, fewer than 8"


def test_what_an_orderer_does_not_name_is_left_out_and_said() -> None:
    partly = NEAR.model_copy(update={"proximity": {f"c{i}": float(-i) for i in range(10)}})
    found = rho(damaged(VALUES), orderer=partly)
    assert found.rho.n == 10 and found.rho.note == "2 eligible neighbours left out"


def test_a_measure_without_values_says_why() -> None:
    assert rho(damaged(VALUES), "kid").rho == Score(value=None, n=0, note="no KID")


def test_a_damage_without_a_value_leaves_its_neighbour_out() -> None:
    found = rho(damaged([None, *VALUES[1:]]))
    assert found.rho.n == 11 and found.rho.note == "1 eligible neighbours left out"


def test_equal_damages_have_no_order_and_ties_are_counted() -> None:
    assert "the same for every neighbour" in rho(damaged([0.1] * 12)).rho.note
    assert "the same for every neighbour" in rho(damaged([0.1] * 12), orderer=CHANCE).rho.note
    assert rho(damaged([0.5, 0.5, 0.5, *VALUES[3:]])).ties == 3


def test_random_order_is_0_with_the_range_of_chance() -> None:
    found = rho(damaged(VALUES), orderer=CHANCE).rho
    assert found.value == 0 and found.low is not None and found.high is not None and -0.75 < found.low < -0.4 and 0.4 < found.high < 0.75


def test_ceilings_are_of_measures_with_prompts() -> None:
    found = ceilings(damaged(VALUES), RULES)
    assert set(found) == {"clip", "accuracy"} and found["accuracy"].value == pytest.approx(1)
    # Half of the neighbours carry .1 of noise in opposite directions.
    assert found["clip"].value is not None and 0.8 < found["clip"].value < 1
    assert ceilings(damaged(VALUES, eligible=7), RULES) == {}
