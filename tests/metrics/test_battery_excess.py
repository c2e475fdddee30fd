"""The excess under the battery's probes, by hand, and which probes say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from unconceal.metrics.battery_excess import battery_excess, rates_at, read_levels
from unconceal.specs.record import ProbeMeasurement

LEVELS = ("0 steps", "20 steps", "40 steps")
PROBE = "renoising"


def measurement(rates: list[list[float]], original: list[list[float]] | None = None, **changes: object) -> ProbeMeasurement:
    """Rates (p, 3), of which the last two levels are scored."""
    fields = {"levels": LEVELS, "scored": LEVELS[1:], "images_per_prompt": 4, "per_prompt": rates, "original": original or [[1, 1, 1]] * 2}
    return ProbeMeasurement.model_validate({**fields, **changes})


ROW = measurement([[0, 0.5, 1], [0.25, 0.25, 0.75]])
GOLDS = [{PROBE: measurement([[1, 0, 0.5], [0, 0, 0]])}, {PROBE: measurement([[1, 0, 0], [0, 0, 0.5]])}]


def test_the_excess_by_hand() -> None:
    """Scored means .75 and .5; golds' (.25 + 0) / 2 and (0 + .25) / 2; in units of θ's rate .8."""
    excess, levels, unmeasured = battery_excess({PROBE: ROW}, GOLDS, (PROBE,), 0.8, 0.5, 0.2)
    np.testing.assert_allclose(excess[PROBE], [(0.75 - 0.125) / 0.8, (0.5 - 0.125) / 0.8])
    assert levels == {PROBE: LEVELS[1:]}
    assert not unmeasured
    np.testing.assert_array_equal(rates_at(ROW, LEVELS[1:]), [0.75, 0.5])
    np.testing.assert_array_equal(rates_at(ROW, LEVELS[1:], original=True), [1, 1])


@pytest.mark.parametrize(
    ("row", "golds", "code"),
    [
        (None, GOLDS, "probe.not-run"),
        (measurement([], error="probe.diverged"), GOLDS, "probe.diverged"),
        (ROW, [], "probe.no-gold"),
        (ROW, [{}], "probe.no-gold"),
        (ROW, [{PROBE: measurement([], error="probe.diverged")}], "probe.no-gold"),
        (ROW, [{PROBE: measurement([[0, 0, 0]] * 3)}], "probe.other-shape"),
        (ROW, [{PROBE: measurement([[0, 0, 0]] * 2, [[1, 0.25, 0.5]] * 2)}], "probe.uninformative"),
    ],
)
def test_what_says_nothing_is_listed_with_its_reason(
    row: ProbeMeasurement | None, golds: list[dict[str, ProbeMeasurement]], code: str
) -> None:
    battery = {} if row is None else {PROBE: row}
    assert battery_excess(battery, golds, (PROBE,), 1.0, 0.5, 0.2) == ({}, {}, {PROBE: code})


def test_only_probes_that_the_tier_asks_for_count() -> None:
    assert battery_excess({PROBE: ROW}, GOLDS, (), 1.0, 0.5, 0.2) == ({}, {}, {})


def test_a_gold_that_failed_leaves_the_others() -> None:
    golds = [GOLDS[0], {PROBE: measurement([], error="probe.diverged")}]
    excess, *_ = battery_excess({PROBE: ROW}, golds, (PROBE,), 1.0, 0.5, 0.2)
    np.testing.assert_allclose(excess[PROBE], [0.75 - 0.25, 0.5])


@pytest.mark.parametrize(("limit", "counts"), [(0.8, True), (0.9, False)])
def test_a_probe_counts_where_it_tells_the_original_from_golds(limit: float, counts: bool) -> None:
    """θ's own excess is 1 − .125 = .875."""
    assert bool(battery_excess({PROBE: ROW}, GOLDS, (PROBE,), 1.0, limit, 0.2).excess) == counts


def test_a_row_does_not_decide_whether_a_probe_counts() -> None:
    forged = ROW.model_copy(update={"original": ((0.0, 0.0, 0.0),) * 2})
    result = battery_excess({PROBE: forged}, GOLDS, (PROBE,), 1.0, 0.5, 0.2)
    np.testing.assert_allclose(result.excess[PROBE], battery_excess({PROBE: ROW}, GOLDS, (PROBE,), 1.0, 0.5, 0.2).excess[PROBE])
    assert not result.unmeasured


@pytest.mark.parametrize(
    ("golds", "margin", "level"),
    [
        ([0.0, 0.05, 0.9], 0.2, "20 steps"),  # a style: golds learn it at once
        ([0.0, 0.0, 0.1], 0.2, "40 steps"),  # a shape
        ([0.0, 0.15, 0.05], 0.1, "40 steps"),  # the last, not the first
        ([0.0, 0.3, 0.9], 0.2, "20 steps"),  # none: the first step
        ([0.0, 0.15, 0.9], 0.2, "20 steps"),
        ([0.0, 0.0, 0.17], 0.2, "20 steps"),  # .17 / .8 is above .2
    ],
)
def test_a_learning_curve_is_read_at_the_last_step_at_which_golds_hardly_know_the_concept(
    golds: list[float], margin: float, level: str
) -> None:
    measured = [measurement([golds] * 2)]
    assert read_levels("relearning", measured, 0.8, margin) == (level,)
    assert read_levels("renoising", measured, 0.8, margin) == LEVELS[1:]


def test_two_golds_decide_together() -> None:
    """.25 and .05 have mean .15."""
    golds = [measurement([[0, 0.1, 0.25]] * 2), measurement([[0, 0, 0.05]] * 2)]
    assert read_levels("relearning", golds, 1.0, 0.2) == ("40 steps",)
    assert read_levels("relearning", golds, 1.0, 0.1) == ("20 steps",)


def test_the_excess_of_relearning_is_that_of_the_step_that_is_read() -> None:
    golds = [{"relearning": measurement([[0, 0.1, 0.9]] * 2)}]
    row = {"relearning": measurement([[0, 0.6, 0.95]] * 2)}
    result = battery_excess(row, golds, ("relearning",), 1.0, 0.5, 0.2)
    np.testing.assert_allclose(result.excess["relearning"], [0.5, 0.5])
    assert result.levels == {"relearning": ("20 steps",)}
