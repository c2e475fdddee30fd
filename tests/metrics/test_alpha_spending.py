"""Group-sequential levels against published tables."""

from __future__ import annotations

from math import sqrt

import pytest
from scipy import stats

from unconceal.metrics.alpha_spending import SINGLE_LOOK, SPENDING, Look, ScoreProcess, nominal_levels
from unconceal.specs.sequential import SpendingName

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    ("spending", "bounds"),
    [
        # Five equal looks, two-sided .05: Lan & DeMets 1983; Reboussin et al., Controlled Clinical Trials 21 (2000), 190.
        ("pocock", (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
        ("obrien-fleming", (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_bounds_of_five_equal_looks_are_those_of_the_published_tables(spending: SpendingName, bounds: tuple[float, ...]) -> None:
    levels = nominal_levels(0.025, FIFTHS, spending)
    assert [float(stats.norm.isf(level)) for level in levels] == pytest.approx(bounds, abs=3e-4)


def test_one_sided_levels_of_four_looks() -> None:
    """One-sided .05, looks at quarters; bounds as SeqBounds.jl prints them."""
    levels = nominal_levels(0.05, (0.25, 0.5, 0.75, 1.0), "obrien-fleming")
    assert [float(stats.norm.isf(level)) for level in levels] == pytest.approx((3.74955, 2.53993, 2.01604, 1.72014), abs=2e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555)])
def test_pococks_constants_are_exceeded_with_probability_5_percent(looks: int, constant: float) -> None:
    """Pocock, Biometrika 64 (1977), 191, table 1, two-sided .05."""
    process, total = ScoreProcess(), 0.0
    for look in range(1, looks + 1):
        process.advance(look / looks)
        total += process.probability_above(constant)
        process.stop_above(constant)
    assert 2 * total == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)])
def test_obrien_and_flemings_constants(looks: int, constant: float) -> None:
    """O'Brien & Fleming, Biometrics 35 (1979), 549: bound constant · √(K / k), two-sided .05."""
    process, total = ScoreProcess(), 0.0
    for look in range(1, looks + 1):
        bound = constant * sqrt(looks / look)
        process.advance(look / looks)
        total += process.probability_above(bound)
        process.stop_above(bound)
    assert 2 * total == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize("spending", SPENDING)
def test_all_error_is_spent_at_the_end_and_one_look_is_a_single_test(spending: SpendingName) -> None:
    assert SPENDING[spending](1.0, 0.025) == pytest.approx(0.025)
    assert nominal_levels(0.025, (1.0,), spending) == pytest.approx((0.025,))
    assert all(level < 0.025 for level in nominal_levels(0.025, FIFTHS, spending))


@pytest.mark.parametrize("shares", [(), (0.5, 0.5), (0.6, 0.3), (0.0, 1.0), (0.5, 1.2)])
def test_shares_ascend_to_at_most_one(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        nominal_levels(0.05, shares, "pocock")


def test_a_look_is_stricter_than_a_single_test_and_a_single_look_is_not() -> None:
    assert SINGLE_LOOK.early_confidence(0.975) == SINGLE_LOOK.late_confidence(0.975) == 0.975
    first, last = (Look(FIFTHS, index) for index in (0, 4))
    assert 0.975 < last.late_confidence(0.975) < last.early_confidence(0.975) < first.late_confidence(0.975)
