from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from unconceal.metrics import presence

GRID = [0, 0.1, 0.2, 0.4, 0.6, 0.85, 1]


def test_excess_by_hand() -> None:
    """One prompt, .8 at every ψ in the window against golds at .1 and .3, θ's rate .9: (.8 − .2) / .9."""
    row = np.full((1, 7), 0.8)
    golds = np.stack([np.full((1, 7), 0.1), np.full((1, 7), 0.3)])
    np.testing.assert_allclose(presence.excess_retrieval(GRID, row, golds, 0.9), [0.6 / 0.9])


def test_excess_is_a_trapezoid_over_the_window_only() -> None:
    curve = np.asarray([[9, 0, 0.5, 0.5, 1, 9, 9.0]])
    area = 0.1 * 0.25 + 0.2 * 0.5 + 0.2 * 0.75
    np.testing.assert_allclose(presence.excess_retrieval(GRID, curve, np.zeros((1, 1, 7)), 1.0), [area / 0.5])


def test_excess_of_seeds_averages_to_the_excess_of_rates() -> None:
    rng = np.random.default_rng(0)
    row, golds = rng.integers(0, 2, (4, 3, 7)), rng.integers(0, 2, (2, 4, 3, 7))
    by_seed = presence.excess_retrieval(GRID, row, golds, 0.7)
    assert by_seed.shape == (4, 3)
    np.testing.assert_allclose(by_seed.mean(axis=1), presence.excess_retrieval(GRID, row.mean(axis=1), golds.mean(axis=2), 0.7))


def test_excess_refuses_a_concept_that_the_original_never_shows() -> None:
    with pytest.raises(ValueError, match=r"\b0\.0\b"):
        presence.excess_retrieval(GRID, np.zeros((1, 7)), np.zeros((1, 1, 7)), 0.0)
    with pytest.raises(ValueError, match=r"\(1, 3, 7\).*\(2, 7\)"):
        presence.excess_retrieval(GRID, np.zeros((2, 7)), np.zeros((1, 3, 7)), 1.0)


def test_psi_star_interpolates_the_isotonic_fit() -> None:
    """Isotonic fit of (0, .4, .2, .8, …): (.4, .2) pool to .3; half of 1 lies .4 of the way from ψ = .2 (.3) to .4 (.8)."""
    curve = np.asarray([[0, 0.4, 0.2, 0.8, 0.9, 1, 1]])
    assert presence.psi_star(GRID, curve, 1.0).value == pytest.approx(0.2 + 0.4 * 0.2)


def test_psi_star_at_the_ends() -> None:
    assert presence.psi_star(GRID, np.full((5, 7), 0.9), 0.9) == (0, 0, 0)
    late = np.tile([0, 0, 0, 0, 0, 0.1, 1], (5, 1))
    assert presence.psi_star(GRID, late, 1.0) == (None, None, None)


def test_psi_star_interval_holds_the_value_and_may_be_open() -> None:
    """Six prompts show the concept from ψ = .2 on, four never before ψ = 1: some resamples never reach half."""
    early, late = [0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]
    value, low, high = presence.psi_star(GRID, np.asarray([early] * 6 + [late] * 4), 1.0)
    assert value is not None and low is not None
    assert value == pytest.approx(0.1 + 0.1 * 0.5 / 0.6)
    assert low < value and high is None


def test_psi_star_of_answers_per_seed_is_that_of_their_rates() -> None:
    answers = np.random.default_rng(0).integers(0, 2, (6, 4, 7))
    assert presence.psi_star(GRID, answers, 0.8) == presence.psi_star(GRID, answers.mean(axis=1), 0.8)


def test_psi_star_interval_is_the_central_share_of_the_resamples() -> None:
    """Prompts that show the concept from different ψ on. Any prompt may be drawn alone, so the widest level spans all crossings."""
    curves = np.asarray([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1]])
    rng = np.random.default_rng(0)
    draws = rng.integers(4, size=(2000, 4))
    means = curves[draws].mean(axis=1)
    crossings = []
    for mean in means:
        first = int(np.argmax(mean >= 0.5))
        low, high = mean[first - 1], mean[first]
        crossings.append(GRID[first - 1] + (0.5 - low) / (high - low) * (GRID[first] - GRID[first - 1]))
    for level in (0.95, 0.5):
        result = presence.psi_star(GRID, curves, 1.0, level=level)
        ends = np.quantile(crossings, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        assert (result.low, result.high) == pytest.approx(tuple(ends))
    assert presence.psi_star(GRID, curves, 1.0) == presence.psi_star(GRID, curves, 1.0, 0.85, 0.95, 2000, 0)


def test_psi_star_at_the_largest_psi_searched_counts() -> None:
    late = np.tile([0, 0, 0, 0, 0, 0.5, 1], (3, 1))
    assert presence.psi_star(GRID, late, 1.0).value == 0.85
    assert presence.psi_star(GRID, late, 1.0, max_psi=0.84).value is None
    assert presence.psi_star(GRID, late, 0.0).value is None
    assert presence.psi_star(GRID, np.zeros((3, 7)), 0.0).value is None


def test_psi_star_interpolates_between_its_two_neighbours() -> None:
    curve = np.asarray([[0.1, 0.2, 0.3, 0.7, 0.9, 1, 1]])
    assert presence.psi_star(GRID, curve, 1.0).value == pytest.approx(0.3)


def test_excess_averages_over_golds_only() -> None:
    row, golds = np.zeros((2, 7)), np.stack([np.tile([[0.2], [0.6]], (1, 7))] * 2)
    np.testing.assert_allclose(presence.excess_retrieval(GRID, row, golds, 1.0), [-0.2, -0.6])


def test_psi_star_is_reproducible_and_its_interval_narrows_with_the_level() -> None:
    curves = np.sort(np.random.default_rng(1).random((12, 7)), axis=1)
    first, again, other = (presence.psi_star(GRID, curves, 1.0, level=0.1, seed=seed) for seed in (0, 0, 1))
    assert first == again and first != other
    assert first != presence.psi_star(GRID, curves, 1.0, level=0.1, n_resamples=2001)
    draws = np.random.default_rng(0).integers(12, size=(2000, 12))
    means = curves[draws].mean(axis=1)
    crossings = [float(np.interp(0.5, mean, GRID)) for mean in means]
    ends = np.quantile(crossings, [0.45, 0.55], method="inverted_cdf")
    assert (first.low, first.high) == pytest.approx(tuple(ends))


def test_isotonic_fits_are_scipy_s() -> None:
    rng = np.random.default_rng(5)
    for k in (1, 2, 9, 16):
        curves = rng.integers(0, 37, (300, k)) / 36
        expected = np.array([isotonic_regression(curve).x for curve in curves])
        assert np.abs(presence.isotonic_fits(curves) - expected).max() < 1e-12
