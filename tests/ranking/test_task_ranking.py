from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from codes import raises
from leaderboard.records import control, record, score, stored
from unconceal.ranking.paired_comparison import disjoint_intervals
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.ranking.task_ranking import RankedRow, is_ranked, rank_intervals, rank_table, tie_groups
from unconceal.ranking.validate_rows import score_problem
from unconceal.results.result_tables import ResultTable
from unconceal.specs.record import Record, Score, Verdict, Verification


def table_of(records: Iterable[Record]) -> ResultTable:
    return ResultTable("miniature", 1, "object/star", "standard", "full", tuple(map(stored, records)))


def ranked(*records: Record) -> tuple[RankedRow, ...]:
    return rank_table(table_of(records))


def intervals(*ends: tuple[float, float]) -> list[tuple[int, int]]:
    return rank_intervals(disjoint_intervals([Score(value=(low + high) / 2, low=low, high=high, n=9) for low, high in ends]))


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
    ranks_allowed = intervals(*((float(a), float(b)) for a, b in ends))
    images = rng.uniform(ends[:, 0], ends[:, 1], size=(20000, 6))
    ranks = images.argsort(axis=1).argsort(axis=1) + 1
    for i, (best, worst) in enumerate(ranks_allowed):
        assert best <= ranks[:, i].min() and ranks[:, i].max() <= worst


def test_a_group_of_ties_ends_with_the_first_row_significantly_worse_than_its_first() -> None:
    less = disjoint_intervals([Score(value=v, low=v - 0.15, high=v + 0.15, n=9) for v in (0.0, 0.2, 0.4, 0.45, 0.9)])
    assert tie_groups(less) == [1, 1, 2, 2, 3]
    assert tie_groups(np.zeros((0, 0), bool)) == []


def test_controls_are_last_and_unranked() -> None:
    rows = ranked(control("gold-1"), record("esd-u", 0.6), control("original"), record("esd-x", 0.2))
    assert [row.result.record.submission for row in rows] == ["esd-x", "esd-u", "control-original", "control-gold-1"]
    assert [row.rank_text for row in rows] == ["1", "2", "", ""]
    assert [row.is_best for row in rows] == [True, False, False, False]


def test_a_destroyed_model_does_not_win() -> None:
    broken = record("broken", -0.1, verdict=Verdict(label="damaged", reason="retained concepts fell"))
    rows = ranked(broken, record("esd-x", 0.4))
    assert [(row.result.record.submission, row.rank_text) for row in rows] == [("esd-x", "1"), ("broken", "")]


def test_withdrawn_disputed_and_scoreless_rows_are_not_ranked() -> None:
    for status in ("disputed", "withdrawn"):
        assert not is_ranked(stored(record(verification=Verification(status=status))))
    assert not is_ranked(stored(record(excess=None)))
    assert not is_ranked(stored(record(scores={}))) and is_ranked(stored(record()))
    infinite = Score.model_construct(value=float("inf"), low=None, high=None, n=9, note="")
    assert not is_ranked(stored(record().model_copy(update={"scores": {"excess": infinite}})))


def test_a_value_without_an_interval_ties_with_everyone() -> None:
    bare = record("bare", 0.9, scores={"excess": {"value": 0.9, "n": 20}})
    assert [row.rank_text for row in ranked(bare, record("esd-x", 0.1))] == ["1–2", "1–2"]


def test_a_duplicate_row_is_refused() -> None:
    with raises("ranking.duplicate-row"):
        ranked(record(), record())


@pytest.mark.parametrize(
    "wrong",
    [
        Score.model_construct(value=float("nan"), low=None, high=None, n=9, note=""),
        Score.model_construct(value=0.1, low=float("-inf"), high=0.2, n=9, note=""),
        Score(value=0.9, low=0.1, high=0.2, n=9),
    ],
)
def test_values_that_are_not_numbers_are_refused(wrong: Score) -> None:
    broken = record().model_copy(update={"scores": {"excess": wrong}})
    with raises("ranking.bad-score"):
        ranked(broken)


def test_a_primary_score_that_no_record_holds_is_refused() -> None:
    with raises("ranking.unknown-score"):
        rank_table(table_of([record()]), RankingRules(primary="exces"))
    assert rank_table(table_of([record(scores={})]), RankingRules(primary="exces"))[0].rank is None, (
        "records without scores are not an error"
    )


def test_another_primary_ranks_by_its_own_intervals() -> None:
    fell = {name: record().scores | {"retain_drop": score(value, 0.01)} for name, value in (("a", 0.3), ("b", 0.1))}
    rows = rank_table(table_of(record(name, scores=scores) for name, scores in fell.items()), RankingRules(primary="retain_drop"))
    assert [(row.result.record.submission, row.rank_text) for row in rows] == [("b", "1"), ("a", "2")]


def test_controls_are_sorted_by_kind_then_name() -> None:
    names = ["collapsed", "gold-2", "a-new-kind", "unrelated", "gold-1", "original"]
    rows = ranked(*(control(name) for name in names))
    assert [row.result.record.submission.removeprefix("control-") for row in rows] == [
        "original",
        "gold-1",
        "gold-2",
        "unrelated",
        "collapsed",
        "a-new-kind",
    ]


def test_unranked_submissions_are_sorted_by_name() -> None:
    fell = Verdict(label="damaged", reason="retained concepts fell")
    rows = ranked(record("c", 0.1, verdict=fell), record("a", 0.9, verdict=fell), record("b", 0.5))
    assert [(row.result.record.submission, row.tie_group) for row in rows] == [("b", 1), ("a", None), ("c", None)]


def test_equal_values_are_sorted_by_name() -> None:
    assert [row.result.record.submission for row in ranked(record("b", 0.1), record("a", 0.1))] == ["a", "b"]


@pytest.mark.parametrize(
    ("score", "is_problem"),
    [
        (Score(value=0.2, low=0.2, high=0.2, n=9), False),
        (Score(value=0.2 + 5e-10, low=0.2, high=0.2, n=9), False),
        (Score(value=0.2 + 5e-9, low=0.1, high=0.2, n=9), True),
        (Score(value=0.1 - 5e-9, low=0.1, high=0.2, n=9), True),
        (Score(value=0.2, n=9), False),
        (Score(value=0.2, low=0.3, n=9), True),
        (Score(value=0.2, high=0.1, n=9), True),
        (Score(value=None, n=0), False),
    ],
)
def test_a_value_must_be_within_its_interval(score: Score, is_problem: bool) -> None:
    assert bool(score_problem(score)) is is_problem


def test_a_primary_score_is_needed_once_golds_are_measured() -> None:
    """Controls do not count, nor do records without a gold; one record with the score is enough."""
    lacking = record("a", scores={"presence": score(0.1)})
    ungilded = record("b", scores={"presence": score(0.1)}, verdict=Verdict(label="undetermined", reason="no gold"))
    with raises("ranking.unknown-score"):
        ranked(lacking, ungilded, control("gold-1"))
    assert (
        len(ranked(lacking, record("c"))) == 2
        and len(ranked(ungilded)) == 1
        and len(ranked(control("x", scores={"presence": score(0.1)}))) == 1
    )
