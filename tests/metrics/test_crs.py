"""CRS against arithmetic done by hand and against loops."""

from __future__ import annotations

from math import atan, pi, sqrt

import numpy as np
import pytest

from unconceal.metrics import crs


def test_g_by_hand() -> None:
    assert crs.g(1.0) == pytest.approx((1 - pi / 4) / (pi / 2))
    assert crs.g(0.0) == pytest.approx(2 / pi)
    assert crs.g(-1.0) == pytest.approx((1 + pi / 4) / (pi / 2))


def test_scores_by_hand() -> None:
    """One picture at 45° between an original picture (1, 0) and an unlearned one (0, -1), a second original at (0, 1)."""
    x, original, unlearned = [[3.0, 3.0]], [[2.0, 0.0], [0.0, 1.0]], [[0.0, -5.0]]
    near, far = (1 - atan(sqrt(0.5))) / (pi / 2), (1 + atan(sqrt(0.5))) / (pi / 2)
    s_o, s_u = crs.mean_dissimilarity(x, original), crs.mean_dissimilarity(x, unlearned)
    np.testing.assert_allclose(s_o, [near])
    np.testing.assert_allclose(s_u, [far])
    np.testing.assert_allclose(crs.signed(s_u, s_o), [far - near])
    np.testing.assert_allclose(crs.released(s_u, s_o, "forget"), [far - near])
    np.testing.assert_allclose(crs.released(s_o, s_u, "retain"), [1 - (far - near)])


def test_affinity_is_the_mean_over_the_reference_pictures() -> None:
    rng = np.random.default_rng(0)
    x, reference = rng.normal(size=(5, 7)), rng.normal(size=(4, 7))
    expected = []
    for row in x:
        cosines = [row @ other / (np.linalg.norm(row) * np.linalg.norm(other)) for other in reference]
        expected.append(sum((1 - atan(s)) / (pi / 2) for s in cosines) / 4)
    np.testing.assert_allclose(crs.mean_dissimilarity(x, reference), expected)


def test_released_is_blind_to_the_sign_and_signed_is_not() -> None:
    retrieved, retained = (0.9, 0.3), (0.3, 0.9)
    assert crs.released(*retrieved, "forget") == crs.released(*retained, "forget")
    assert crs.signed(*retrieved) == -crs.signed(*retained) > 0


def test_calibrated_pins_the_reference_pictures() -> None:
    np.testing.assert_allclose(crs.calibrated([-0.2, 0.4, 0.1, 0.7], -0.2, 0.4), [0, 1, 0.5, 1.5])
    assert np.isnan(crs.calibrated(0.1, 0.4, 0.4))
    assert np.isnan(crs.calibrated(0.1, 0.4, 0.2))


def test_mean_over_psi_integrates_and_interpolates_the_ends() -> None:
    grid = [0, 0.1, 0.4, 0.7, 1]
    np.testing.assert_allclose(crs.mean_over_psi(grid, np.ones(5)), 1)
    np.testing.assert_allclose(crs.mean_over_psi(grid, np.asarray(grid)), 0.55 / 2)
    np.testing.assert_allclose(crs.mean_over_psi(grid, np.stack([grid, np.zeros(5)]), upper=0.6, lower=0.2), [0.4, 0])
    # by hand: 0→1 over [0, .5], then down to 0 at 1; cut at .75 where the value is .5
    np.testing.assert_allclose(crs.mean_over_psi([0, 0.5, 1], [0, 1, 0], upper=0.75), (0.25 + 0.1875) / 0.75)


def test_mean_over_psi_does_not_depend_on_the_tier() -> None:
    fine = np.asarray([0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 1])
    coarse = np.asarray([0, 0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 1])
    np.testing.assert_allclose(crs.mean_over_psi(fine, 1 - 0.3 * fine), crs.mean_over_psi(coarse, 1 - 0.3 * coarse))


@pytest.mark.parametrize("grid", [[0, 0.2, 0.2, 1], [0, 0.1, 0.2, 0.5], [0.1, 0.2, 0.5, 1]])
def test_mean_over_psi_refuses_grids_that_do_not_cover_the_window(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="ψ"):
        crs.mean_over_psi(grid, np.zeros(4))


def test_mean_over_psi_takes_the_whole_grid_and_refuses_other_shapes() -> None:
    assert crs.mean_over_psi([0, 0.5, 1], [0, 1, 0], upper=1.0) == pytest.approx(0.5)
    for psi, values, upper in (([0, 0.5, 1], [0, 1], 0.5), ([[0, 0.5, 1]], [0, 1, 0], 0.5), ([0, 0.5, 1], [0, 1, 0], 0.0)):
        with pytest.raises(ValueError, match="ψ"):
            crs.mean_over_psi(psi, values, upper=upper)


def test_short_features_are_normalised_too() -> None:
    x, reference = np.asarray([[0.3, 0.1]]), np.asarray([[0.2, 0.2]])
    np.testing.assert_allclose(crs.mean_dissimilarity(x, reference), crs.mean_dissimilarity(100 * x, 100 * reference))
