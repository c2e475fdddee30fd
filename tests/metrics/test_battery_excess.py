"""The excess under the battery's probes, by hand, and which probes say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from unconceal.metrics.battery_excess import battery_excess, scored_rates
from unconceal.specs.record import ProbeMeasurement

LEVELS = ("0 steps", "20 steps", "40 steps")


def measurement(rates: list[list[float]], original: list[list[float]] | None = None, **changes: object) -> ProbeMeasurement:
    """Rates (p, 3), of which the last two levels are scored."""
    fields = {"levels": LEVELS, "scored": LEVELS[1:], "images_per_prompt": 4, "per_prompt": rates, "original": original or [[1, 1, 1]] * 2}
    return ProbeMeasurement.model_validate({**fields, **changes})


ROW = measurement([[0, 0.5, 1], [0.25, 0.25, 0.75]])
GOLDS = [{"relearning": measurement([[1, 0, 0.5], [0, 0, 0]])}, {"relearning": measurement([[1, 0, 0], [0, 0, 0.5]])}]


def test_the_excess_by_hand() -> None:
    """Scored means .75 and .5; golds' (.25 + 0) / 2 and (0 + .25) / 2; in units of θ's rate .8."""
    excess, unmeasured = battery_excess({"relearning": ROW}, GOLDS, ("relearning",), 0.8, 0.5)
    np.testing.assert_allclose(excess["relearning"], [(0.75 - 0.125) / 0.8, (0.5 - 0.125) / 0.8])
    assert not unmeasured
    np.testing.assert_array_equal(scored_rates(ROW), [0.75, 0.5])
    np.testing.assert_array_equal(scored_rates(ROW, original=True), [1, 1])


@pytest.mark.parametrize(
    ("row", "golds", "code"),
    [
        (None, GOLDS, "probe.not-run"),
        (measurement([], error="probe.diverged"), GOLDS, "probe.diverged"),
        (ROW, [], "probe.no-gold"),
        (ROW, [{}], "probe.no-gold"),
        (ROW, [{"relearning": measurement([], error="probe.diverged")}], "probe.no-gold"),
        (ROW, [{"relearning": measurement([[0, 0, 0]] * 3)}], "probe.other-shape"),
        (ROW, [{"relearning": measurement([[0, 0, 0]] * 2, [[1, 0.25, 0.5]] * 2)}], "probe.uninformative"),
    ],
)
def test_what_says_nothing_is_listed_with_its_reason(
    row: ProbeMeasurement | None, golds: list[dict[str, ProbeMeasurement]], code: str
) -> None:
    battery = {} if row is None else {"relearning": row}
    assert battery_excess(battery, golds, ("relearning",), 1.0, 0.5) == ({}, {"relearning": code})


def test_only_probes_that_the_tier_asks_for_count() -> None:
    assert battery_excess({"relearning": ROW}, GOLDS, (), 1.0, 0.5) == ({}, {})


def test_a_gold_that_failed_leaves_the_others() -> None:
    golds = [GOLDS[0], {"relearning": measurement([], error="probe.diverged")}]
    excess, _ = battery_excess({"relearning": ROW}, golds, ("relearning",), 1.0, 0.5)
    np.testing.assert_allclose(excess["relearning"], [0.75 - 0.25, 0.5])


@pytest.mark.parametrize(("limit", "counts"), [(0.8, True), (0.9, False)])
def test_a_probe_counts_where_it_tells_the_original_from_golds(limit: float, counts: bool) -> None:
    """θ's own excess is 1 − .125 = .875."""
    assert bool(battery_excess({"relearning": ROW}, GOLDS, ("relearning",), 1.0, limit).excess) == counts


def test_a_row_does_not_decide_whether_a_probe_counts() -> None:
    forged = ROW.model_copy(update={"original": ((0.0, 0.0, 0.0),) * 2})
    result = battery_excess({"relearning": forged}, GOLDS, ("relearning",), 1.0, 0.5)
    np.testing.assert_allclose(
        result.excess["relearning"], battery_excess({"relearning": ROW}, GOLDS, ("relearning",), 1.0, 0.5).excess["relearning"]
    )
    assert not result.unmeasured
