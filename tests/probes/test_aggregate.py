"""Aggregation against independent computations."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from probes.answers import CONCEPTS, values
from unconceal.probes.aggregate import agreement, complete_rankings, estimate, kendall_tau, most_common_relation, ranked_neighbours
from unconceal.specs.elicitation import Answer


def answer(*ranking: str) -> Answer:
    return Answer.model_validate_json(json.dumps(values(*ranking)), strict=True)


def test_ranks_are_completed_as_ties_are() -> None:
    rankings = [("a", "b", "c", "d"), ("c", "a"), ("b",)]
    for ranking, ranks in zip(rankings, complete_rankings(rankings), strict=True):
        scores = [ranking.index(concept) if concept in ranking else 99 for concept in "abcd"]
        assert [ranks[concept] for concept in "abcd"] == list(stats.rankdata(scores))


def test_neighbours_stand_by_mean_rank_with_its_spread() -> None:
    neighbours = {
        neighbour.concept: neighbour for neighbour in ranked_neighbours([answer("a", "b", "c"), answer("b", "a"), answer("b", "d", "a")])
    }
    assert list(neighbours) == ["b", "a", "d", "c"]
    ranks = np.array([[1, 2, 3, 4], [2, 1, 3.5, 3.5], [3, 1, 4, 2]], dtype=float)  # a, b, c, d by hand
    for column, concept in enumerate("abcd"):
        rank = neighbours[concept].rank
        assert rank.mean == pytest.approx(ranks[:, column].mean(), abs=1e-4)
        assert rank.std == pytest.approx(ranks[:, column].std(ddof=1), abs=1e-4)
    assert [neighbours[concept].mentions for concept in "abcd"] == [3, 3, 1, 1]
    assert neighbours["a"].similarity.mean == pytest.approx(9) and neighbours["c"].similarity.std is None


def test_kendall_is_that_of_scipy() -> None:
    draw = np.random.default_rng(0)
    rankings = [[CONCEPTS[index] for index in draw.permutation(10)] for _ in range(5)]
    taus = []
    for first, second in combinations(rankings, 2):
        expected = stats.kendalltau([first.index(name) for name in CONCEPTS], [second.index(name) for name in CONCEPTS]).statistic
        assert kendall_tau(first, second) == pytest.approx(expected)
        taus.append(expected)
    assert agreement(rankings).kendall_tau == pytest.approx(np.mean(taus), abs=1e-4) and agreement(rankings).overlap == 1


def test_agreement_has_bounds_and_gaps() -> None:
    assert kendall_tau("abc", "abc") == 1 and kendall_tau("abc", "cba") == -1
    assert kendall_tau("abx", "aby") == 1 and kendall_tau("ab", "bc") is None
    assert agreement(["abc", "abd"]).overlap == 0.5
    assert agreement(["abc"]).kendall_tau is None and agreement(["abc"]).overlap is None


def test_ties_are_settled_by_rule_not_by_order() -> None:
    assert most_common_relation(["part", "child", "child", "part"]) == "child"
    assert estimate([4]).std is None
    assert [neighbour.concept for neighbour in ranked_neighbours([answer("b", "a"), answer("a", "b")])] == ["a", "b"]
