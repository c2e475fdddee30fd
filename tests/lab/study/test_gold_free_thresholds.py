"""Against rows whose answer is known without computing."""

from __future__ import annotations

import pytest

from study_rows import row
from unconceal_lab.study.gold_free_thresholds import completion_at, fit_threshold, gold_free_thresholds, mean_completion, midway
from unconceal_lab.study.study_rows import Row


def task(name: str, gold: float, hides: float) -> list[Row]:
    return [
        row("control-gold-1", "gold", name, knows=gold),
        row("gold-alone", "alone", name, knows=gold),
        row("decouple-1", "decoupled", name, knows=hides),
        row("noise", "damaged", name, knows=1.0),
    ]


def test_completion_is_read_in_units_of_the_originals_rate() -> None:
    half = row("x", knows=0.4)
    half = half.model_copy(update={"prompt": tuple((*values[:-1], 0.5) for values in half.prompt)})
    assert completion_at("empty", 0.3)(half) == pytest.approx(0.8) and completion_at("prompt", 0.3)(half) == 0
    assert mean_completion("empty", 0.1, 0.6)(half) == pytest.approx(0.8)


def test_the_threshold_lies_midway() -> None:
    assert midway([(0.1, False), (0.3, False), (0.7, True), (0.9, True)]) == pytest.approx((0.5, 0.4))


def test_a_floor_that_holds_from_task_to_task() -> None:
    rows = [*task("object/star", 0.1, 0.9), *task("object/ring", 0.2, 0.8), *task("art-style/flat", 0.0, 1.0)]
    result = fit_threshold(rows, completion_at("empty", 0.3))
    assert result is not None and (result.right, result.n) == (9, 9) and result.gap == pytest.approx(0.6) and result.interval.low > 0.6
    assert next(iter(gold_free_thresholds(rows))).endswith("empty arm"), "the prompt arm shows nothing in any of them"


def test_a_floor_that_does_not_carry_over_is_counted_wrong() -> None:
    """Each task is separable by itself, but what is a gold's completion in one is a concealer's in the other."""
    rows = [*task("object/star", 0.0, 0.3), *task("art-style/flat", 0.5, 0.9)]
    result = fit_threshold(rows, completion_at("empty", 0.3))
    assert result is not None and result.gap < 0 and result.right == 3 and result.n == 6


def test_one_task_shows_nothing() -> None:
    assert fit_threshold(task("object/star", 0.1, 0.9), completion_at("empty", 0.3)) is None and not gold_free_thresholds(
        task("object/star", 0.1, 0.9)
    )
