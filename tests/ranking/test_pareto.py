from __future__ import annotations

import numpy as np

from leaderboard.records import score
from unconceal.ranking.paired_comparison import disjoint_intervals
from unconceal.ranking.submission_summary import pareto_efficient
from unconceal.specs.record import Score


def front(*rows: tuple[float | None, ...], half: float = 0.05) -> list[bool]:
    axes = [[None if value is None else score(value, half) for value in axis] for axis in zip(*rows, strict=True)]
    return pareto_efficient(axes, disjoint_intervals([entry or Score(value=None, n=0) for entry in axes[0]]))


def test_a_row_beaten_on_every_axis_is_not_efficient() -> None:
    assert front((0.1, 0.1), (0.5, 0.0), (0.6, 0.5)) == [True, True, False]


def test_a_difference_within_the_intervals_dominates_nobody() -> None:
    assert front((0.10, 0.1), (0.12, 0.11)) == [True, True]
    assert front((0.10, 0.1), (0.12, 0.11), half=0.001) == [True, False]


def test_equal_rows_do_not_dominate_each_other() -> None:
    assert front((0.1, 0.1), (0.1, 0.1)) == [True, True]


def test_an_axis_that_a_row_lacks_is_left_out() -> None:
    assert front((0.1, 0.1, None), (0.5, 0.5, 0.0)) == [True, False]
    assert front((0.1, 0.1, 0.9), (0.5, 0.5, 0.0)) == [True, True]


def test_against_every_pair() -> None:
    """Independent computation: dominance by its definition, pair by pair."""
    rng = np.random.default_rng(4)
    rows = rng.uniform(0, 1, (12, 3))
    efficient = front(*(tuple(map(float, row)) for row in rows))
    for i in range(12):
        dominated = any((rows[j] <= rows[i]).all() and (rows[j] + 0.05 < rows[i] - 0.05).any() for j in range(12))
        assert efficient[i] == (not dominated)


def test_without_rows() -> None:
    assert pareto_efficient([[], []], np.zeros((0, 0), bool)) == []


def test_the_first_axis_counts_by_its_paired_comparison() -> None:
    """Overlapping intervals on the first axis, but a significant paired difference; and the reverse."""
    axes = [[score(0.10), score(0.12)], [score(0.1), score(0.1)]]
    assert pareto_efficient(axes, np.array([[False, True], [False, False]])) == [True, False]
    differences = [[score(0.1, 0.01), score(0.9, 0.01)], [score(0.1), score(0.1)]]
    assert pareto_efficient(differences, np.zeros((2, 2), bool)) == [True, True]
    second = [[score(0.1), score(0.1)], [score(0.1, 0.01), score(0.9, 0.01)]]
    assert pareto_efficient(second, np.zeros((2, 2), bool)) == [True, False]
