from __future__ import annotations

import numpy as np

from leaderboard.records import control, record, stored
from unconceal.leaderboard.ranking import is_ranked, rank, rank_intervals
from unconceal.specs.record import Verdict, Verification


def test_overlapping_intervals_tie() -> None:
    assert rank_intervals([(0.0, 0.1), (0.2, 0.4), (0.3, 0.5), (0.6, 0.7)]) == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_overlap_is_pairwise_not_transitive() -> None:
    assert rank_intervals([(0.0, 0.3), (0.2, 0.5), (0.4, 0.7)]) == [(1, 2), (1, 3), (2, 3)]


def test_touching_intervals_tie() -> None:
    assert rank_intervals([(0.0, 0.2), (0.2, 0.4)]) == [(1, 2), (1, 2)]


def test_a_rank_interval_holds_every_rank_that_the_intervals_allow() -> None:
    """Independent computation: draw true values from the intervals and look at the ranks they give."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 1, 6)
    intervals = np.stack([low, low + rng.uniform(0.05, 0.3, 6)], axis=1)
    found = rank_intervals([(float(a), float(b)) for a, b in intervals])
    drawn = rng.uniform(intervals[:, 0], intervals[:, 1], size=(20000, 6))
    ranks = drawn.argsort(axis=1).argsort(axis=1) + 1
    for i, (best, worst) in enumerate(found):
        assert best <= ranks[:, i].min() and ranks[:, i].max() <= worst


def test_controls_stand_last_and_unranked() -> None:
    rows = [control("gold-1"), record("esd-u", 0.6), control("original"), record("esd-x", 0.2)]
    ranked = rank(stored(row) for row in rows)
    names = [row.stored.record.submission for row in ranked]
    assert names == ["esd-x", "esd-u", "control-original", "control-gold-1"]
    assert [row.written for row in ranked] == ["1", "2", "", ""]


def test_a_destroyed_model_does_not_win() -> None:
    broken = record("broken", -0.1, verdict=Verdict(label="damaged", why="retained concepts fell"))
    ranked = rank([stored(broken), stored(record("esd-x", 0.4))])
    assert [(row.stored.record.submission, row.written) for row in ranked] == [("esd-x", "1"), ("broken", "")]


def test_withdrawn_disputed_and_scoreless_rows_are_not_ranked() -> None:
    for status in ("disputed", "withdrawn"):
        assert not is_ranked(stored(record(verification=Verification(status=status))))
    assert not is_ranked(stored(record(excess=None)))
    assert not is_ranked(stored(record(scores={})))


def test_a_value_without_an_interval_ties_with_everyone() -> None:
    bare = record("bare", 0.9, scores={"excess": {"value": 0.9, "n": 20}})
    assert [row.written for row in rank([stored(bare), stored(record("esd-x", 0.1))])] == ["1–2", "1–2"]
