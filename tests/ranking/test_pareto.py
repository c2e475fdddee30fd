from __future__ import annotations

import numpy as np

from leaderboard.records import score
from unconceal.ranking.paired_comparison import apart
from unconceal.ranking.pareto import efficient
from unconceal.specs.record import Score


def front(*rows: tuple[float | None, ...], half: float = 0.05) -> list[bool]:
    axes = [[None if value is None else score(value, half) for value in axis] for axis in zip(*rows, strict=True)]
    return efficient(axes, apart([found or Score(value=None, n=0) for found in axes[0]]))


def test_who_is_beaten_everywhere_is_not_efficient() -> None:
    assert front((0.1, 0.1), (0.5, 0.0), (0.6, 0.5)) == [True, True, False]


def test_better_by_less_than_the_intervals_beats_nobody() -> None:
    assert front((0.10, 0.1), (0.12, 0.11)) == [True, True]
    assert front((0.10, 0.1), (0.12, 0.11), half=0.001) == [True, False]


def test_equals_do_not_beat_each_other() -> None:
    assert front((0.1, 0.1), (0.1, 0.1)) == [True, True]


def test_an_axis_that_someone_lacks_is_left_out() -> None:
    assert front((0.1, 0.1, None), (0.5, 0.5, 0.0)) == [True, False]
    assert front((0.1, 0.1, 0.9), (0.5, 0.5, 0.0)) == [True, True]


def test_against_every_pair() -> None:
    """Independent computation: dominance by its definition, pair by pair."""
    rng = np.random.default_rng(4)
    rows = rng.uniform(0, 1, (12, 3))
    found = front(*(tuple(map(float, row)) for row in rows))
    for i in range(12):
        beaten = any((rows[j] <= rows[i]).all() and (rows[j] + 0.05 < rows[i] - 0.05).any() for j in range(12))
        assert found[i] == (not beaten)


def test_nobody_at_all() -> None:
    assert efficient([[], []], np.zeros((0, 0), bool)) == []
