"""ρ by orderer and measure, and every reason why there is none, on made-up damages."""

from __future__ import annotations

import re

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


def rho(result: list[NeighbourDamage], measure: str = "clip", ranker: ProximityRanker = NEAR) -> RankCorrelation:
    return next(item for item in rank_correlations([ranker], result, RULES) if item.measure == measure)


VALUES: list[float | None] = [0.9, 0.7, 0.8, 0.3, 0.6, 0.2, 0.4, 0.1, 0.0, 0.15, 0.05, 0.12]


def test_rho_is_of_the_eligible_neighbours_alone() -> None:
    result = rho(damaged(VALUES, eligible=9))
    expected = spearmanr(range(9), [-(value or 0) for value in VALUES[:9]])
    assert result.rho.value == pytest.approx(expected.statistic) and result.rho.n == 9 and result.rho.note == ""
    assert result.p is not None and result.p < 0.05 and result.ties == 0


def test_too_few_neighbours_have_no_rho_and_a_note() -> None:
    result = rho(damaged(VALUES, eligible=7))
    assert result.rho.value is None and result.p is None
    assert re.findall(r"\d+", result.rho.note) == ["7", "12", "8"]


def test_neighbours_that_a_ranker_does_not_name_are_left_out() -> None:
    partly = NEAR.model_copy(update={"proximity": {f"c{i}": float(-i) for i in range(10)}})
    result = rho(damaged(VALUES), ranker=partly)
    assert result.rho.n == 10 and result.rho.note.startswith("2 ")


def test_a_measure_without_values_says_why() -> None:
    assert rho(damaged(VALUES), "kid").rho == Score(value=None, n=0, note="no KID")


def test_a_damage_without_a_value_leaves_its_neighbour_out() -> None:
    result = rho(damaged([None, *VALUES[1:]]))
    assert result.rho.n == 11 and result.rho.note.startswith("1 ")


def test_equal_damages_have_no_order_and_ties_are_counted() -> None:
    for result in (rho(damaged([0.1] * 12)), rho(damaged([0.1] * 12), ranker=CHANCE)):
        assert (result.rho.value, result.rho.n) == (None, 12) and result.rho.note
    assert rho(damaged([0.5, 0.5, 0.5, *VALUES[3:]])).ties == 3


def test_random_order_is_0_with_the_range_of_chance() -> None:
    result = rho(damaged(VALUES), ranker=CHANCE).rho
    assert (
        result.value == 0 and result.low is not None and result.high is not None and -0.75 < result.low < -0.4 and 0.4 < result.high < 0.75
    )


def test_ceilings_are_of_measures_with_prompts() -> None:
    result = ceilings(damaged(VALUES), RULES)
    assert set(result) == {"clip", "accuracy"} and result["accuracy"].value == pytest.approx(1)
    # Half of the neighbours carry .1 of noise in opposite directions.
    assert result["clip"].value is not None and 0.8 < result["clip"].value < 1
    assert ceilings(damaged(VALUES, eligible=7), RULES) == {}
