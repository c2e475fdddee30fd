from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from leaderboard.records import control, record, score, stored
from unconceal.ranking.pool import Pool, pool
from unconceal.ranking.ranking_rules import Rules
from unconceal.ranking.submission_summary import mean_of
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record, Score, Verdict, Verification

DAMAGED = Verdict(label="damaged", why="retained concepts fell")
STAR, MOON = "object/star", "object/moon"


def boards(records: dict[str, list[Record]]) -> list[ResultTable]:
    return [ResultTable("miniature", 1, task, "standard", "full", tuple(map(stored, rows))) for task, rows in records.items()]


def pooled(**values: Sequence[float | None]) -> Pool:
    """A pool of two tasks; a submission's excess on each, None: no record."""
    rows: dict[str, list[Record]] = {STAR: [], MOON: []}
    for name, found in values.items():
        for task, excess in zip(rows, found, strict=True):
            if excess is not None:
                rows[task].append(record(name, excess, task=task))
    return pool(boards(rows), dict.fromkeys(rows, Rules()))


def test_mean_rank_and_borda_by_hand() -> None:
    found = {one.submission: one for one in pooled(a=[0.1, 0.2], b=[0.3, 0.22], c=[0.6, 0.1]).standings}
    # star: a < b < c for sure; moon: c surely before b, while a, whose interval touches both, ties with either.
    assert {name: one.mean_rank for name, one in found.items()} == {"a": 1.5, "b": 2.5, "c": 2.0}
    assert {name: one.borda for name, one in found.items()} == {
        "a": (2 + 0.5 + 0.5) / 4,
        "b": (1 + 0.5 + 0.0) / 4,
        "c": (0 + 0.5 + 1.0) / 4,
    }


def test_borda_shares_sum_to_half_of_all_comparisons() -> None:
    rng = np.random.default_rng(1)
    names = "abcdef"
    found = pooled(**{name: [float(v) for v in rng.uniform(0, 0.5, 2)] for name in names})
    assert sum(one.borda or 0 for one in found.standings) == pytest.approx(len(names) / 2)


def test_who_is_incomplete_is_listed_unranked_with_the_reason() -> None:
    found = pooled(a=[0.1, 0.2], b=[0.3, None], c=[None, 0.2])
    assert [(one.submission, one.rank is None, one.why) for one in found.standings] == [
        ("a", False, ""),
        ("b", True, "no record of moon"),
        ("c", True, "no record of star"),
    ]
    assert found.density == pytest.approx(4 / 6) and found.standings[1].means["forgetting"] is None


def test_adding_an_incomplete_submission_moves_nobody() -> None:
    before, after = pooled(a=[0.1, 0.2], b=[0.3, 0.1]), pooled(a=[0.1, 0.2], b=[0.3, 0.1], c=[0.0, None])
    for one, other in zip(before.ranked, after.ranked, strict=True):
        assert (one.submission, one.rank, one.mean_rank, one.borda) == (other.submission, other.rank, other.mean_rank, other.borda)


def test_a_task_whose_golds_nobody_measured_is_no_part_of_the_pool() -> None:
    rows = {
        STAR: [record("a", 0.1), record("b", 0.3)],
        MOON: [record("a", None, task=MOON), record("b", None, task=MOON)],
    }
    found = pool(boards(rows), dict.fromkeys(rows, Rules()))
    assert [board.task for board in found.counted] == [STAR] and found.tasks == (STAR, MOON)
    assert [(one.submission, one.rank) for one in found.standings] == [("a", (1, 1)), ("b", (2, 2))] and found.density == 1
    assert set(found.standings[0].cells) == {STAR, MOON}
    alone = pool(boards({MOON: rows[MOON]}), {MOON: Rules()})
    assert [one.why for one in alone.standings] == ["no excess on moon"] * 2 and alone.counted == alone.boards


def test_damaged_rows_stand_behind_all_others() -> None:
    rows = {
        STAR: [record("a", 0.3), record("b", -0.2, verdict=DAMAGED), record("c", -0.3, verdict=DAMAGED)],
        MOON: [record("a", 0.3, task=MOON), record("b", 0.1, task=MOON), record("c", 0.1, task=MOON)],
    }
    found = {one.submission: one for one in pool(boards(rows), dict.fromkeys(rows, Rules())).standings}
    assert found["a"].mean_rank == (1 + 3) / 2 and found["b"].mean_rank == (2.5 + 1.5) / 2
    assert found["b"].means["forgetting"].value == pytest.approx((1 + 0.1) / 2)  # type: ignore[union-attr]
    assert [one.rank for one in found.values()] == [(1, 1), (2, 3), (2, 3)], "one task of two destroyed is worse than half of it left"
    assert found["a"].borda == 2 / 4 and found["b"].borda == pytest.approx((0.5 + 0.5 + 1) / 4)


def test_disputed_withdrawn_and_scoreless_rows_make_incomplete() -> None:
    for changes, why in (
        ({"verification": Verification(status="disputed")}, "disputed on star"),
        ({"verification": Verification(status="withdrawn")}, "withdrawn on star"),
        ({"excess": None}, "no excess on star"),
    ):
        found = pool(boards({STAR: [record("a", **({"excess": 0.1} | changes)), record("b", 0.2)]}), {STAR: Rules()})
        assert [(one.submission, one.why) for one in found.standings] == [("b", ""), ("a", why)]


def test_controls_come_last_and_win_nothing() -> None:
    found = pool(boards({STAR: [control("gold-1"), control("original"), record("a", 0.4)]}), {STAR: Rules()})
    assert [one.submission for one in found.standings] == ["a", "control-original", "control-gold-1"]
    assert found.standings[0].rank == (1, 1) and found.standings[0].borda is None and found.standings[1].rank is None


def rows_with(**values: list[float]) -> list[ResultRow]:
    return [ResultRow(record(name, float(np.mean(each))), stored(record(name)).path, tuple(each)) for name, each in values.items()]


def test_ranks_over_all_tasks_rest_on_paired_differences() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(0.5, 0.3, 24)
    made = rows_with(a=hard.tolist(), b=(hard + 0.15).tolist(), c=(hard + 0.151).tolist())
    found = pool([ResultTable("miniature", 1, STAR, "standard", "full", tuple(made))], {STAR: Rules(images=40)})
    assert [(one.submission, one.rank) for one in found.standings] == [("a", (1, 1)), ("b", (2, 3)), ("c", (2, 3))]


def test_the_mean_of_scores_and_its_reach() -> None:
    assert mean_of([score(0.2, 0.3), score(0.6, 0.4)]) == Score(value=0.4, low=0.4 - 0.25, high=0.4 + 0.25, n=40)
    assert mean_of([score(0.2), None]) is None and mean_of([]) is None
    found = mean_of([score(0.2), Score(value=0.4, n=5)])
    assert found is not None and found.low is None and found.value == pytest.approx(0.3)


def test_the_reach_of_a_mean_covers_as_often_as_it_says() -> None:
    """Three tasks with their own true means: 95 % intervals of each combine to one that covers the mean of the means 95 % of the time."""
    rng = np.random.default_rng(3)
    truth, covered = np.array([0.1, 0.4, 0.7]), 0
    for _ in range(2000):
        drawn = rng.normal(truth, 0.05)
        found = mean_of([score(float(value), 1.96 * 0.05) for value in drawn])
        assert found is not None and found.low is not None and found.high is not None
        covered += found.low <= truth.mean() <= found.high
    assert 0.935 < covered / 2000 < 0.965
