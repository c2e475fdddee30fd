"""Intervals: known values, coverage by simulation, and no certainty out of equal answers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from unconceal.metrics import statistics


def test_t_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(statistics.mean_interval(values), [expected.low, expected.high])


def test_one_sided_bounds_are_ends_of_two_sided_intervals() -> None:
    values = np.random.default_rng(1).normal(size=15)
    assert statistics.lower_bound(values, 0.975) == pytest.approx(statistics.mean_interval(values, 0.95).low)
    assert statistics.upper_bound(values, 0.95) == pytest.approx(statistics.mean_interval(values, 0.90).high)
    one_sided = stats.ttest_1samp(values, 0, alternative="less").confidence_interval(0.95)
    assert statistics.upper_bound(values, 0.95) == pytest.approx(one_sided.high)


def test_wilson_by_hand() -> None:
    z2 = 1.959964**2
    assert statistics.wilson(0, 80).high == pytest.approx(z2 / (80 + z2), rel=1e-5)
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    np.testing.assert_allclose(statistics.wilson(81, 263), [0.2553, 0.3662], atol=5e-5)
    assert statistics.wilson(0, 0) == (0, 1)


def test_equal_answers_are_no_certainty() -> None:
    never = np.zeros(20)
    assert statistics.mean_interval(never) == (0, 0)
    assert statistics.mean_interval(never, n_images=80).high == pytest.approx(statistics.wilson(0, 80).high)
    low, high = statistics.rate_interval(np.ones(20), 80)
    assert low < statistics.wilson(80, 80).low and high == 1


@pytest.mark.parametrize(("spread", "rate"), [(2.0, 0.3), (0.7, 0.5), (2.0, 0.1), (1.0, 0.05), (50.0, 0.05), (5.0, 0.9)])
def test_coverage_of_the_rate_interval(spread: float, rate: float) -> None:
    """20 prompts with rates of their own (beta, mean ``rate``), 4 seeds each: 95 % intervals of the mean cover it at least .93 of times."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1500):
        rates = rng.beta(spread * rate / 0.5, spread * (1 - rate) / 0.5, 20)
        low, high = statistics.rate_interval(rng.random((20, 4)) < rates[:, None], 80)
        covered += low <= rate <= high
    assert covered / 1500 >= 0.93


@pytest.mark.parametrize(("spread", "first_rate", "second_rate"), [(2.0, 0.3, 0.3), (2.0, 0.5, 0.1), (10.0, 0.6, 0.0)])
def test_coverage_of_the_t_interval_of_paired_differences(spread: float, first_rate: float, second_rate: float) -> None:
    """20 prompts whose difficulty two rows share, 4 seeds each: 95 % intervals of the difference of their rates."""
    rng = np.random.default_rng(9)
    covered = 0
    for _ in range(1500):
        ease = rng.beta(spread, spread, (20, 1)) * 2
        first, second = (rng.random((20, 4)) < np.clip(ease * rate, 0, 1) for rate in (first_rate, second_rate))
        low, high = statistics.mean_interval(first.mean(axis=1) - second.mean(axis=1), n_images=80)
        truth = _clipped_mean(spread, first_rate) - _clipped_mean(spread, second_rate)
        covered += low <= truth <= high
    assert covered / 1500 >= 0.92


def _clipped_mean(spread: float, rate: float) -> float:
    """Mean of min(1, 2 · rate · ease) for a beta-distributed ease."""
    ease = np.linspace(0, 1, 4001)
    return float(np.trapezoid(np.minimum(1, 2 * rate * ease) * stats.beta.pdf(ease, spread, spread), ease))


def test_coverage_of_the_hierarchical_bootstrap() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for trial in range(300):
        rates = rng.beta(1.2, 2.8, 50)
        low, high = statistics.mean_interval(rng.random((50, 4)) < rates[:, None], n_images=200, n_resamples=300, seed=trial)
        covered += low <= 0.3 <= high
    assert covered / 300 >= 0.92


def test_bootstrap_means_have_the_spread_of_two_stage_sampling() -> None:
    table = np.random.default_rng(2).normal(size=(60, 3)) + np.random.default_rng(3).normal(size=(60, 1))
    means = statistics.bootstrap_means(table, seed=0, n_resamples=4000)
    variance = table.mean(axis=1).var() / 60 + table.var(axis=1).mean() / (60 * 3)
    assert means.mean() == pytest.approx(table.mean(), abs=0.02)
    assert means.std() == pytest.approx(np.sqrt(variance), rel=0.05)
    np.testing.assert_array_equal(means, statistics.bootstrap_means(table, seed=0, n_resamples=4000))


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(4)
    scores, labels = rng.integers(0, 5, 30), rng.integers(0, 2, 30)
    pairs = [(a > b) + 0.5 * (a == b) for a, b in product(scores[labels == 1], scores[labels == 0])]
    assert statistics.auc(scores, labels) == pytest.approx(np.mean(pairs))
    assert np.isnan(statistics.auc([1, 2], [1, 1]))


def test_auc_interval_covers_and_stays_open_at_perfect_separation() -> None:
    low, high = statistics.auc_interval(np.arange(40), np.arange(40) >= 20)
    assert 0.85 < low < 1 and high == 1
    rng, shift = np.random.default_rng(5), 1.0
    truth = stats.norm.cdf(shift / np.sqrt(2))
    labels = np.arange(80) < 40
    inside = [statistics.auc_interval(rng.normal(size=80) + shift * labels, labels) for _ in range(400)]
    assert np.mean([low <= truth <= high for low, high in inside]) >= 0.92
    assert statistics.auc_interval(-np.arange(40), np.arange(40) >= 20)[0] == 0


def test_the_expected_half_width_is_the_rules_own_at_the_prompts_observed() -> None:
    values = np.random.default_rng(6).normal(0.2, 0.3, 20)
    for images, unit in ((1, 1.0), (1, 3.0), (100, 1.0)):
        bound = statistics.upper_bound(values, 0.95, 20 * images, unit)
        assert statistics.expected_half_width(values, 20, 0.95, images, unit) == pytest.approx(bound - values.mean())


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_expected_half_width_is_that_of_the_bootstrap_from_40_prompts_on(seeds: int) -> None:
    table = np.random.default_rng(2).normal(size=(60, seeds)) + np.random.default_rng(3).normal(size=(60, 1))
    low, high = statistics.mean_interval(table, 0.9, n_resamples=20_000)
    assert statistics.expected_half_width(table, 60, 0.95, 100) == pytest.approx((high - low) / 2, rel=0.02)


def test_the_expected_half_width_shrinks_with_the_root_of_the_prompts_and_switches_at_40() -> None:
    values = np.random.default_rng(6).normal(0.2, 0.3, 20)
    sd = values.std(ddof=1)
    at = {n: statistics.expected_half_width(values, n, 0.95, 1000) for n in (39, 40, 4000)}
    assert at[39] == pytest.approx(stats.t.ppf(0.95, 38) * sd / np.sqrt(39))
    assert at[40] == pytest.approx(stats.norm.ppf(0.95) * sd * np.sqrt(39 / 40 / 40))
    assert at[4000] == pytest.approx(stats.norm.ppf(0.95) * sd / np.sqrt(4000), rel=1e-3)
    assert statistics.expected_half_width([0.3], 50, 0.95) == np.inf


def test_the_expected_rate_interval_is_the_rules_own_at_the_prompts_observed() -> None:
    rates = np.random.default_rng(6).integers(0, 5, 20) / 4
    assert statistics.expected_rate_interval(rates, 20, 4) == statistics.rate_interval(rates, 80)
    twice = statistics.expected_rate_interval(rates, 40, 4)
    np.testing.assert_allclose(twice, statistics.rate_interval(np.tile(rates, 2), 160), atol=2e-3)
    assert statistics.expected_rate_interval([0.3], 50, 4) == (0, 1)


@pytest.mark.parametrize(("first", "expected"), [(5, 21), (21, 21), (30, 30), (39, 39), (40, 40), (57, 57)])
def test_prompts_needed_is_the_first_number_above_todays_that_decides(first: int, expected: int) -> None:
    assert statistics.prompts_needed(lambda n: n >= first, 20) == expected
    assert statistics.prompts_needed(lambda n: n >= first, 60) == 61
    assert statistics.prompts_needed(lambda n: n == first, 20, max_prompts=39) == (first if 20 < first < 40 else None)


def test_no_practicable_number_of_prompts() -> None:
    assert statistics.prompts_needed(lambda n: False, 20) is None
    assert statistics.prompts_needed(lambda n: n >= 1000, 20, max_prompts=1000) == 1000
    assert statistics.prompts_needed(lambda n: n >= 1001, 20, max_prompts=1000) is None


def test_values_without_a_mean_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        statistics.mean_interval([0.1, np.nan])
    with pytest.raises(ValueError, match=r"\(0,\)"):
        statistics.mean_interval([])
    assert statistics.mean_interval([0.3]) == (-np.inf, np.inf)
    assert statistics.rate_interval([0.3], 4) == (0, 1)


def test_defaults_are_those_documented() -> None:
    """Recorded numbers rest on the default resamples and seeds."""
    many, few = np.random.default_rng(0).normal(size=(45, 2)), np.random.default_rng(0).normal(size=12)
    full = statistics.mean_interval(many, 0.95, None, 1.0, 2000, 0)
    assert statistics.mean_interval(many) == full and full != statistics.mean_interval(many, seed=1)
    assert statistics.lower_bound(many) == full.low
    assert statistics.upper_bound(many) == statistics.mean_interval(many, 0.9, None, 1.0, 2000, 0).high
    assert statistics.lower_bound(many, 0.975, None, 1.0, 100) == statistics.mean_interval(many, 0.95, n_resamples=100).low
    assert statistics.upper_bound(many, 0.975, None, 1.0, 100) == statistics.mean_interval(many, 0.95, n_resamples=100).high
    assert statistics.lower_bound(few, n_images=2) == statistics.mean_interval(few, 0.95, 2, 1.0).low
    assert len(statistics.bootstrap_means(few, 0)) == 2000
    assert statistics.resolution(30) == statistics.resolution(30, 0.95)
    assert statistics.expected_half_width(np.zeros(12), 12, 0.95) == statistics.resolution(12, 0.9)
    assert statistics.prompts_needed(lambda n: n >= 100_001, 20) is None


def test_resolution_bounds_both_ends_in_the_unit_given() -> None:
    half = 3 * statistics.wilson(0, 80).high
    for bound, end in ((statistics.lower_bound, -half), (statistics.upper_bound, half)):
        assert bound(np.zeros(20), 0.975, 80, 3.0) == pytest.approx(end)


def test_the_bootstrap_begins_at_40_prompts() -> None:
    values = np.random.default_rng(0).normal(size=40)
    expected = np.quantile(statistics.bootstrap_means(values, 0), [0.025, 0.975])
    assert statistics.mean_interval(values) == pytest.approx(tuple(expected))
    t = stats.ttest_1samp(values[:39], 0).confidence_interval(0.95)
    assert statistics.mean_interval(values[:39]) == pytest.approx((t.low, t.high))


def test_two_prompts_have_an_interval() -> None:
    t = stats.ttest_1samp([0.2, 0.4], 0).confidence_interval(0.95)
    assert statistics.mean_interval([0.2, 0.4]) == pytest.approx((t.low, t.high))
    assert statistics.rate_interval([0.2, 0.4], 8).high < 1
    assert statistics.expected_half_width([0.2, 0.4], 2, 0.975, 1000) == pytest.approx(t.high - 0.3)
    assert statistics.expected_rate_interval([0.2, 0.4], 2, 4) == statistics.rate_interval([0.2, 0.4], 8)


def test_wilson_at_small_counts_agrees_with_scipy() -> None:
    for count, n, level in ((0, 5, 0.95), (1, 5, 0.95), (4, 5, 0.95), (5, 5, 0.95), (1, 1, 0.95), (3, 7, 0.8)):
        reference = stats.binomtest(count, n).proportion_ci(level, method="wilson")
        assert statistics.wilson(count, n, level) == pytest.approx((reference.low, reference.high))
    assert statistics.wilson(0.3, 0.5).low > 0


def test_the_rate_interval_has_the_level_asked_for() -> None:
    """Independent answers: Wilson's with n_eff = n (z / t)² (n − 1) / n."""
    answers = np.asarray([0, 1] * 10)
    z, t = stats.norm.ppf(0.9), stats.t.ppf(0.9, 19)
    n_effective = 20 * 19 / 20 * (z / t) ** 2
    assert statistics.rate_interval(answers, 20, 0.8) == pytest.approx(statistics.wilson(n_effective / 2, n_effective, 0.8))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_auc_interval_solves_newcombes_equation(level: float) -> None:
    """At both ends (A − θ)² = z² θ (1 − θ) (1 + (N − 1) ((1 − θ) / (2 − θ) + θ / (1 + θ))) / (m n), N = (m + n) / 2."""
    scores, labels = np.asarray([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), np.asarray([0, 0, 1, 0, 1, 0, 1, 1, 1, 1])
    observed, z = statistics.auc(scores, labels), stats.norm.ppf((1 + level) / 2)
    assert observed == pytest.approx(21 / 24)
    interval = statistics.auc_interval(scores, labels, level)
    assert interval.low < observed < interval.high < 1
    for end in interval:
        bracket = 1 + 4 * ((1 - end) / (2 - end) + end / (1 + end))
        assert (observed - end) ** 2 == pytest.approx(z**2 * end * (1 - end) * bracket / 24, rel=1e-6)


def test_an_auc_without_one_class_is_undefined() -> None:
    for labels in ([1, 1], [0, 0]):
        assert np.isnan(statistics.auc([1, 2], labels))
        assert statistics.auc_interval([1, 2], labels) == (0, 1)
