from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from leaderboard.records import control, record, score, stored
from unconceal.errors import CheckFailed
from unconceal.ranking.paired_comparison import apart
from unconceal.ranking.ranking_rules import Rules
from unconceal.ranking.task_ranking import RankedRow, is_ranked, rank, rank_intervals, tie_groups
from unconceal.results.result_tables import ResultTable
from unconceal.specs.record import Record, Score, Verdict, Verification


def board(records: Iterable[Record]) -> ResultTable:
    return ResultTable("miniature", 1, "object/star", "standard", "full", tuple(stored(found) for found in records))


def ranked(*records: Record) -> tuple[RankedRow, ...]:
    return rank(board(records))


def intervals(*ends: tuple[float, float]) -> list[tuple[int, int]]:
    return rank_intervals(apart([Score(value=(low + high) / 2, low=low, high=high, n=9) for low, high in ends]))


def test_overlapping_intervals_tie() -> None:
    assert intervals((0.0, 0.1), (0.2, 0.4), (0.3, 0.5), (0.6, 0.7)) == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_overlap_is_pairwise_not_transitive() -> None:
    assert intervals((0.0, 0.3), (0.2, 0.5), (0.4, 0.7)) == [(1, 2), (1, 3), (2, 3)]


def test_touching_intervals_tie() -> None:
    assert intervals((0.0, 0.2), (0.2, 0.4)) == [(1, 2), (1, 2)]


def test_a_rank_interval_holds_every_rank_that_the_intervals_allow() -> None:
    """Independent computation: draw true values from the intervals and look at the ranks they give."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 1, 6)
    ends = np.stack([low, low + rng.uniform(0.05, 0.3, 6)], axis=1)
    found = intervals(*((float(a), float(b)) for a, b in ends))
    drawn = rng.uniform(ends[:, 0], ends[:, 1], size=(20000, 6))
    ranks = drawn.argsort(axis=1).argsort(axis=1) + 1
    for i, (best, worst) in enumerate(found):
        assert best <= ranks[:, i].min() and ranks[:, i].max() <= worst


def test_a_group_of_ties_ends_with_the_first_that_is_surely_worse_than_its_first() -> None:
    less = apart([Score(value=v, low=v - 0.15, high=v + 0.15, n=9) for v in (0.0, 0.2, 0.4, 0.45, 0.9)])
    assert tie_groups(less) == [1, 1, 2, 2, 3]
    assert tie_groups(np.zeros((0, 0), bool)) == []


def test_controls_stand_last_and_unranked() -> None:
    rows = ranked(control("gold-1"), record("esd-u", 0.6), control("original"), record("esd-x", 0.2))
    assert [row.stored.record.submission for row in rows] == ["esd-x", "esd-u", "control-original", "control-gold-1"]
    assert [row.written for row in rows] == ["1", "2", "", ""]
    assert [row.is_best for row in rows] == [True, False, False, False]


def test_a_destroyed_model_does_not_win() -> None:
    broken = record("broken", -0.1, verdict=Verdict(label="damaged", why="retained concepts fell"))
    rows = ranked(broken, record("esd-x", 0.4))
    assert [(row.stored.record.submission, row.written) for row in rows] == [("esd-x", "1"), ("broken", "")]


def test_withdrawn_disputed_and_scoreless_rows_are_not_ranked() -> None:
    for status in ("disputed", "withdrawn"):
        assert not is_ranked(stored(record(verification=Verification(status=status))))
    assert not is_ranked(stored(record(excess=None)))
    assert not is_ranked(stored(record(scores={})))


def test_a_value_without_an_interval_ties_with_everyone() -> None:
    bare = record("bare", 0.9, scores={"excess": {"value": 0.9, "n": 20}})
    assert [row.written for row in ranked(bare, record("esd-x", 0.1))] == ["1–2", "1–2"]


def test_a_row_twice_is_refused() -> None:
    with pytest.raises(CheckFailed, match="esd-x on object/star: stands twice"):
        ranked(record(), record())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Score.model_construct(value=float("nan"), low=None, high=None, n=9, note=""), "is not finite"),
        (Score.model_construct(value=0.1, low=float("-inf"), high=0.2, n=9, note=""), "is not finite"),
        (Score(value=0.9, low=0.1, high=0.2, n=9), "lies outside its own interval"),
    ],
)
def test_numbers_that_are_none_are_refused(wrong: Score, why: str) -> None:
    found = record().model_copy(update={"scores": {"excess": wrong}})
    with pytest.raises(CheckFailed, match=why):
        ranked(found)


def test_a_primary_score_that_no_record_holds_is_refused() -> None:
    with pytest.raises(CheckFailed, match=r"primary 'exces' of suite miniature: is in no record of object/star; name one that they hold"):
        rank(board([record()]), Rules(primary="exces"))
    assert rank(board([record(scores={})]), Rules(primary="exces"))[0].rank is None, "without scores there is nothing to complain of"


def test_another_primary_ranks_by_its_own_intervals() -> None:
    fell = {name: record().scores | {"retain_fall": score(value, 0.01)} for name, value in (("a", 0.3), ("b", 0.1))}
    rows = rank(board(record(name, scores=scores) for name, scores in fell.items()), Rules(primary="retain_fall"))
    assert [(row.stored.record.submission, row.written) for row in rows] == [("b", "1"), ("a", "2")]
