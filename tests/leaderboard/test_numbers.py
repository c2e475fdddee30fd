from __future__ import annotations

import math

import pytest

from unconceal.leaderboard.numbers import mean_and_range, number, with_interval
from unconceal.specs.record import Score


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.423, ".42"),
        (-0.05, "−.05"),
        (0.0, ".00"),
        (-0.001, ".00"),
        (1.0, "1.00"),
        (27.31, "27.31"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_numbers_as_readers_see_them(value: float | None, text: str) -> None:
    assert number(value) == text


def test_an_interval_is_in_brackets() -> None:
    assert with_interval(Score(value=0.42, low=0.36, high=0.48, n=20)) == ".42 [.36, .48]"


def test_without_an_interval_only_the_value() -> None:
    assert with_interval(Score(value=0.42, n=20)) == ".42"
    assert with_interval(Score(value=None, n=20)) == with_interval(None) == "–"
    assert with_interval(Score.model_construct(value=math.nan, low=0.0, high=1.0, n=3)) == "–"


def test_several_controls_as_mean_and_range() -> None:
    assert mean_and_range([0.10, 0.15, 0.11]) == ".12 (.10 to .15)"
    assert mean_and_range([0.1]) == ".10"
    assert mean_and_range([]) == mean_and_range([math.nan]) == "–"
