"""Rank correlation, its interval, p and ceiling, against definitions, enumeration and simulation."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np
import pytest

from unconceal.metrics import rank_correlation


def rho_by_definition(x: list[float], y: list[float]) -> float:
    """1 − 6 Σ d² / (n (n² − 1)), for values without ties."""
    ranks = [[sorted(values).index(value) for value in values] for values in (x, y)]
    n = len(x)
    distance = sum((item - other) ** 2 for item, other in zip(ranks[0], ranks[1], strict=True))
    return 1 - 6 * distance / (n * (n**2 - 1))


def test_rho_is_that_of_the_definition_and_positive_where_near_concepts_are_damaged_more() -> None:
    near, damage = [5.0, 3, 9, 1, 7, 2], [0.4, 0.5, 0.9, 0.1, 0.3, 0.2]
    result = rank_correlation.correlate(near, damage)
    assert result is not None and result.rho == pytest.approx(rho_by_definition(near, damage)) and result.n == 6 and result.ties == 0
    turned = rank_correlation.correlate([-value for value in near], damage)
    assert turned is not None and turned.rho == pytest.approx(-result.rho)


def test_the_interval_is_that_of_the_literature() -> None:
    """At ρ = .5 Bonett & Wright give [.05, .78] for 20 and [−.29, .88] for 9 pairs."""
    assert rank_correlation.spearman_interval(0.5, 20) == pytest.approx((0.045, 0.783), abs=5e-4)
    assert rank_correlation.spearman_interval(0.5, 9) == pytest.approx((-0.291, 0.885), abs=5e-4)


def test_the_interval_covers_the_rho_of_the_population() -> None:
    """Normal pairs of correlation r have a Spearman ρ of 6 / π · asin(r / 2)."""
    rng, r, n, hits = np.random.default_rng(0), 0.6, 20, 0
    truth = 6 / np.pi * np.arcsin(r / 2)
    for _ in range(300):
        x = rng.normal(size=n)
        y = r * x + np.sqrt(1 - r**2) * rng.normal(size=n)
        rho = rho_by_definition(list(x), list(y))
        low, high = rank_correlation.spearman_interval(rho, n)
        hits += low <= truth <= high
    assert 0.92 <= hits / 300 <= 0.98


def test_perfect_order_has_an_interval_that_ends_at_one() -> None:
    for sign in (1, -1):
        result = rank_correlation.correlate(np.arange(9), sign * np.arange(9))
        assert result is not None and result.rho == pytest.approx(sign)
        far = result.interval.low if sign == 1 else -result.interval.high
        assert 0.8 < far < 1 and (result.interval.high == 1 if sign == 1 else result.interval.low == -1)


def test_p_counts_every_permutation_where_there_are_few() -> None:
    near, damage = [1.0, 2, 3, 4, 5], [1.0, 2, 4, 3, 5]
    every = [rho_by_definition(near, list(shuffled)) for shuffled in permutations(damage)]
    at_least = sum(value >= 0.9 - 1e-9 for value in every)
    result = rank_correlation.correlate(near, damage, n_resamples=factorial(5))
    assert result is not None and result.rho == pytest.approx(0.9) and result.p == pytest.approx(2 * at_least / 120)


def test_p_is_uniform_without_an_effect_and_drawn_by_the_seed() -> None:
    rng = np.random.default_rng(1)
    result = [rank_correlation.correlate(rng.normal(size=12), rng.normal(size=12), 200) for _ in range(120)]
    small = np.mean([item.p < 0.1 for item in result if item])
    assert 0.03 < small < 0.18
    again = [rank_correlation.correlate(np.arange(12), [3, 1, 2] * 4, 400, seed) for seed in (5, 5, 6)]
    assert again[0] == again[1] and again[0] is not None and again[2] is not None and again[0].p != again[2].p


def test_rho_is_undefined_without_an_order() -> None:
    assert rank_correlation.correlate([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation.correlate([1, 1, 1, 1], [1, 2, 3, 4]) is None
    assert rank_correlation.correlate([1, 2, 3, 4], [0, 0, 0, 0]) is None
    assert rank_correlation.random_order_interval([0.2] * 9) is None
    with pytest.raises(ValueError, match="NaN"):
        rank_correlation.correlate([1, 2, 3, float("nan")], [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        rank_correlation.correlate([1, 2, 3], [1, 2, 3, 4])


def test_ties_share_a_rank_and_are_counted() -> None:
    result = rank_correlation.correlate([1, 1, 2, 3], [1, 2, 3, 3])
    # Ranks 1.5, 1.5, 3, 4 and 1, 2, 3.5, 3.5: Pearson's correlation of the ranks.
    assert result is not None and result.rho == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5])[0, 1])
    assert result.ties == 2


def test_random_orders_fall_where_drawing_them_puts_them() -> None:
    damage = list(np.random.default_rng(2).normal(size=15))
    rng = np.random.default_rng(3)
    noise = [rho_by_definition(list(rng.permutation(15).astype(float)), damage) for _ in range(1500)]
    result = rank_correlation.random_order_interval(damage, 1500)
    assert result is not None and result == pytest.approx(tuple(np.quantile(noise, [0.025, 0.975])), abs=0.06)


def test_the_ceiling_is_the_rho_that_the_true_order_reaches() -> None:
    """Damages of variance 1 measured with noise of variance .5 on each half: reliability of the whole 1 / 1.25, ceiling about .89."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=200)
    halves = [np.stack([truth + rng.normal(scale=0.5**0.5, size=200) for _ in range(10)]) for _ in range(2)]
    result = rank_correlation.split_half(*halves)
    reached = [rho_by_definition(list(truth), list((item + other) / 2)) for item, other in zip(*halves, strict=True)]
    assert result is not None and result.ceiling == pytest.approx(np.mean(reached), abs=0.03)
    assert result.ceiling == pytest.approx(result.value**0.5)


def test_halves_that_contradict_each_other_leave_no_room() -> None:
    up = np.arange(6.0)[None]
    result = rank_correlation.split_half(up, -up)
    assert result is not None and result == (-1, 0)
    assert rank_correlation.split_half(np.zeros((3, 5)), np.ones((3, 5))) is None


def test_orderers_are_compared_cell_by_cell() -> None:
    rng = np.random.default_rng(5)
    shared = rng.normal(scale=0.3, size=(9, 6))
    result = rank_correlation.compare_rankers(shared + 0.2, shared, 500)
    assert result is not None and result.difference == pytest.approx(0.2) and result.interval == pytest.approx((0.2, 0.2))
    assert (result.tasks, result.cells) == (9, 54)


def test_the_bootstrap_covers_a_difference_that_varies_over_tasks_and_methods_somewhat_too_seldom() -> None:
    rng, hits = np.random.default_rng(6), 0
    for trial in range(150):
        cells = 0.1 + rng.normal(scale=0.2, size=(9, 1)) + rng.normal(scale=0.1, size=(1, 8)) + rng.normal(scale=0.1, size=(9, 8))
        result = rank_correlation.compare_rankers(cells, np.zeros((9, 8)), 300, seed=trial)
        hits += result is not None and result.interval.low <= 0.1 <= result.interval.high
    assert 0.83 <= hits / 150 <= 0.97


def test_cells_without_a_rho_are_left_out() -> None:
    nothing = float("nan")
    result = rank_correlation.compare_rankers([[0.5, nothing], [nothing, nothing], [0.1, 0.3]], [[0.1, 0.2], [0.1, 0.1], [0, 0.1]], 200)
    assert result is not None and result.difference == pytest.approx((0.4 + 0.15) / 2) and (result.tasks, result.cells) == (2, 3)
    assert rank_correlation.compare_rankers([[nothing]], [[0.1]]) is None


def test_defaults_are_those_documented() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=12), rng.normal(size=12)
    assert rank_correlation.correlate(x, y) == rank_correlation.correlate(x, y, 10_000, 0) != rank_correlation.correlate(x, y, seed=1)
    assert rank_correlation.random_order_interval(y) == rank_correlation.random_order_interval(y, 10_000, 0.95, 0)
    assert rank_correlation.random_order_interval(y, 50) == rank_correlation.random_order_interval(y, 50, seed=0)
    assert rank_correlation.random_order_interval(y, 50) != rank_correlation.random_order_interval(y, 50, seed=1)
    cells = rng.normal(size=(4, 3))
    nothing = np.zeros((4, 3))
    assert rank_correlation.compare_rankers(cells, nothing) == rank_correlation.compare_rankers(cells, nothing, 10_000, 0.95, 0)
    assert rank_correlation.compare_rankers(cells, nothing, seed=1) != rank_correlation.compare_rankers(cells, nothing)


def test_the_interval_of_a_perfect_order_starts_at_that_of_the_next_best_order() -> None:
    """One adjacent pair swapped has Σ d² = 2, ρ = 1 − 12 / (n (n² − 1))."""
    for n, level in ((4, 0.95), (6, 0.8)):
        order = list(range(n))
        swapped = [1, 0, *order[2:]]
        nearest = rho_by_definition([float(i) for i in order], [float(i) for i in swapped])
        low = rank_correlation.spearman_interval(nearest, n, level).low
        assert rank_correlation.spearman_interval(1.0, n, level) == pytest.approx((low, 1))
        assert rank_correlation.spearman_interval(-1.0, n, level) == pytest.approx((-1, -low))


def test_four_concepts_have_a_random_order_and_its_level() -> None:
    """All 24 permutations: ρ by definition, and its central 80 %."""
    every = [rho_by_definition([1.0, 2, 3, 4], list(order)) for order in permutations([1.0, 2, 3, 4])]
    interval = rank_correlation.random_order_interval([0.1, 0.2, 0.3, 0.4], level=0.8)
    assert interval == pytest.approx(tuple(np.quantile(every, [0.1, 0.9])))


def test_splits_without_an_order_are_left_out() -> None:
    up, flat = np.arange(5.0) / 10, np.zeros(5)
    result = rank_correlation.split_half([up, up, flat], [up, flat, up])
    assert result is not None and result.value == pytest.approx(1)
    with pytest.raises(ValueError, match="zip"):
        rank_correlation.split_half([up, up], [up])


def test_the_level_of_a_comparison_is_the_one_asked_for() -> None:
    """One task: the bootstrap draws methods alone."""
    cells = np.asarray([[0.1, 0.2, 0.4]])
    wide, narrow = (rank_correlation.compare_rankers(cells, np.zeros((1, 3)), level=level) for level in (0.99, 0.2))
    assert wide is not None and narrow is not None
    assert wide.interval == pytest.approx((0.1, 0.4)) and wide.interval.low < narrow.interval.low < narrow.interval.high < 0.4
    every = [np.mean([cells[0][i] for i in (a, b, c)]) for a in range(3) for b in range(3) for c in range(3)]
    assert narrow.interval == pytest.approx(tuple(np.quantile(every, [0.4, 0.6])), abs=0.02)


def test_the_mean_over_tasks_leaves_out_what_is_missing() -> None:
    nan = float("nan")
    assert rank_correlation.task_mean([[1.0, nan, 3.0], [nan, nan, nan], [6.0, 6.0, nan]]) == pytest.approx((2 + 6) / 2)
    assert rank_correlation.task_mean([[1.0, 3.0]]) == pytest.approx(2)
    assert np.isnan(rank_correlation.task_mean([[nan, nan]]))


def test_common_concepts_keep_the_first_order() -> None:
    assert rank_correlation.common_concepts(["c", "a", "b"], ["b", "c"], ["a", "b", "c"]) == ("c", "b")
    assert rank_correlation.common_concepts(["a"]) == ("a",)


def test_the_level_of_a_random_order_is_the_one_asked_for() -> None:
    every = [rho_by_definition([1.0, 2, 3, 4, 5], list(order)) for order in permutations([1.0, 2, 3, 4, 5])]
    interval = rank_correlation.random_order_interval([0.1, 0.2, 0.3, 0.4, 0.5], level=0.2)
    assert interval == pytest.approx(tuple(np.quantile(every, [0.4, 0.6])))
