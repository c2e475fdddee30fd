from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard.probed import damaged
from leaderboard.records import SUITE, control, record, score, stored
from unconceal.metrics.statistics import resolution
from unconceal.ranking.pool import Pool, rank_pool
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.ranking.submission_summary import forgetting, mean_over_tasks, robustness
from unconceal.ranking.task_ranking import rank_table
from unconceal.ranking.validate_rows import density
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record, Score, Verdict, Verification
from unconceal.specs.suite import Scoring

DAMAGED = Verdict(label="damaged", reason="retained concepts fell")
STAR, MOON = "object/star", "object/moon"


def tables_of(records: dict[str, list[Record]]) -> list[ResultTable]:
    return [ResultTable("miniature", 1, task, "standard", "full", tuple(map(stored, rows))) for task, rows in records.items()]


def pool_of(**values: Sequence[float | None]) -> Pool:
    """A pool of two tasks; a submission's excess on each, None: no record."""
    rows: dict[str, list[Record]] = {STAR: [], MOON: []}
    for name, excesses in values.items():
        for task, excess in zip(rows, excesses, strict=True):
            if excess is not None:
                rows[task].append(record(name, excess, task=task))
    return rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules()))


def test_mean_rank_and_borda_by_hand() -> None:
    entries = {entry.submission: entry for entry in pool_of(a=[0.1, 0.2], b=[0.3, 0.22], c=[0.6, 0.1]).entries}
    # star: a < b < c for sure; moon: c surely before b, while a, whose interval touches both, ties with either.
    assert {name: entry.mean_rank for name, entry in entries.items()} == {"a": 1.5, "b": 2.5, "c": 2.0}
    assert {name: entry.borda for name, entry in entries.items()} == {
        "a": (2 + 0.5 + 0.5) / 4,
        "b": (1 + 0.5 + 0.0) / 4,
        "c": (0 + 0.5 + 1.0) / 4,
    }


def test_borda_shares_sum_to_half_of_all_comparisons() -> None:
    rng = np.random.default_rng(1)
    names = "abcdef"
    pool = pool_of(**{name: [float(v) for v in rng.uniform(0, 0.5, 2)] for name in names})
    assert sum(entry.borda or 0 for entry in pool.entries) == pytest.approx(len(names) / 2)


def test_of_two_submissions_the_better_wins_every_comparison() -> None:
    assert [(entry.submission, entry.borda) for entry in pool_of(a=[0.1, 0.1], b=[0.5, 0.5]).entries] == [("a", 1.0), ("b", 0.0)]


def test_incomplete_submissions_are_listed_unranked_with_the_reason() -> None:
    pool = pool_of(c=[0.3, None], a=[0.1, 0.2], b=[None, 0.2])
    assert [(entry.submission, entry.rank is None, entry.reason) for entry in pool.entries] == [
        ("a", False, ""),
        ("b", True, "no record of star"),
        ("c", True, "no record of moon"),
    ]
    assert pool.density == pytest.approx(4 / 6) and pool.entries[1].means["forgetting"] is None and not pool.entries[1].efficient


def test_adding_an_incomplete_submission_changes_no_rank() -> None:
    before, after = pool_of(a=[0.1, 0.2], b=[0.3, 0.1]), pool_of(a=[0.1, 0.2], b=[0.3, 0.1], c=[0.0, None])
    for entry, other in zip(before.ranked, after.ranked, strict=True):
        assert (entry.submission, entry.rank, entry.mean_rank, entry.borda) == (other.submission, other.rank, other.mean_rank, other.borda)


def test_a_task_without_gold_results_is_not_ranked_over() -> None:
    rows = {
        STAR: [record("a", 0.1), record("b", 0.3)],
        MOON: [record("a", None, task=MOON), record("b", None, task=MOON)],
    }
    pool = rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules()))
    assert [table.task for table in pool.ranked_tables] == [STAR] and pool.tasks == (STAR, MOON)
    assert [(entry.submission, entry.rank) for entry in pool.entries] == [("a", (1, 1)), ("b", (2, 2))] and pool.density == 1
    assert set(pool.entries[0].rows) == {STAR, MOON}
    alone = rank_pool(tables_of({MOON: rows[MOON]}), {MOON: RankingRules()})
    assert [entry.reason for entry in alone.entries] == ["no excess on moon"] * 2 and alone.ranked_tables == alone.tables


def test_a_control_alone_makes_no_ranked_task_and_one_submission_does() -> None:
    rows = {STAR: [record("a", 0.1), record("b", 0.3)], MOON: [record("a", None, task=MOON), control("collapsed", "damaged", task=MOON)]}
    assert [table.task for table in rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules())).ranked_tables] == [STAR]
    rows[MOON] += [record("b", 0.2, task=MOON)]
    pool = rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules()))
    assert [table.task for table in pool.ranked_tables] == [STAR, MOON]
    assert [(entry.submission, entry.rank is None) for entry in pool.entries[:2]] == [("b", False), ("a", True)]


def test_ranked_rows_that_are_given_are_not_ranked_again() -> None:
    tables = tables_of({STAR: [record("a", 0.1), record("b", 0.3)]})
    first_row = {STAR: rank_table(tables[0], RankingRules())[:1]}
    assert [entry.submission for entry in rank_pool(tables, {STAR: RankingRules()}, first_row).entries] == ["a"]


def test_damaged_rows_rank_last() -> None:
    rows = {
        STAR: [record("a", 0.3), record("b", -0.2, verdict=DAMAGED), record("c", -0.3, verdict=DAMAGED)],
        MOON: [record("a", 0.3, task=MOON), record("b", 0.1, task=MOON), record("c", 0.1, task=MOON)],
    }
    entries = {entry.submission: entry for entry in rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules())).entries}
    assert entries["a"].mean_rank == (1 + 3) / 2 and entries["b"].mean_rank == (2.5 + 1.5) / 2
    assert entries["b"].means["forgetting"].value == pytest.approx((1 + 0.1) / 2)  # type: ignore[union-attr]
    assert [entry.rank for entry in entries.values()] == [(1, 1), (2, 3), (2, 3)], "one task of two destroyed is worse"
    assert entries["a"].borda == 2 / 4 and entries["b"].borda == pytest.approx((0.5 + 0.5 + 1) / 4)


def test_disputed_withdrawn_and_scoreless_rows_make_a_submission_incomplete() -> None:
    for changes, reason in (
        ({"verification": Verification(status="disputed")}, "disputed on star"),
        ({"verification": Verification(status="withdrawn")}, "withdrawn on star"),
        ({"excess": None}, "no excess on star"),
    ):
        pool = rank_pool(tables_of({STAR: [record("a", **({"excess": 0.1} | changes)), record("b", 0.2)]}), {STAR: RankingRules()})
        assert [(entry.submission, entry.reason) for entry in pool.entries] == [("b", ""), ("a", reason)]


def test_controls_are_last_and_unranked_in_a_pool() -> None:
    pool = rank_pool(tables_of({STAR: [control("gold-1"), control("original"), record("a", 0.4)]}), {STAR: RankingRules()})
    assert [entry.submission for entry in pool.entries] == ["a", "control-original", "control-gold-1"]
    assert pool.entries[0].rank == (1, 1) and pool.entries[0].borda is None and pool.entries[1].rank is None
    apart = {STAR: [control("gold-1"), record("a", 0.4)], MOON: [control("original", task=MOON), record("a", 0.4, task=MOON)]}
    pool = rank_pool(tables_of(apart), dict.fromkeys(apart, RankingRules()))
    assert [entry.submission for entry in pool.entries] == ["a", "control-original", "control-gold-1"]


def rows_with(**values: list[float]) -> list[ResultRow]:
    return [ResultRow(record(name, float(np.mean(item))), stored(record(name)).path, tuple(item)) for name, item in values.items()]


def test_ranks_over_all_tasks_rest_on_paired_differences() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(0.5, 0.3, 24)
    rows = rows_with(a=hard.tolist(), b=(hard + 0.15).tolist(), c=(hard + 0.151).tolist())
    pool = rank_pool([ResultTable("miniature", 1, STAR, "standard", "full", tuple(rows))], {STAR: RankingRules(images_per_prompt=40)})
    assert [(entry.submission, entry.rank) for entry in pool.entries] == [("a", (1, 1)), ("b", (2, 3)), ("c", (2, 3))]


def test_the_mean_of_scores_and_its_interval() -> None:
    assert mean_over_tasks([score(0.2, 0.3), score(0.6, 0.4)]) == Score(value=0.4, low=0.4 - 0.25, high=0.4 + 0.25, n=40)
    half = mean_over_tasks([score(0.0), score(0.4)])
    assert half is not None and half.value == pytest.approx(0.2)
    assert mean_over_tasks([score(0.2), None]) is None and mean_over_tasks([]) is None
    mean = mean_over_tasks([score(0.2), Score(value=0.4, n=5)])
    assert mean is not None and mean.low is None and mean.value == pytest.approx(0.3)


def test_the_interval_of_a_mean_has_its_nominal_coverage() -> None:
    """Three tasks with their own true means: 95 % intervals of each combine to entry that covers the mean of the means 95 % of the time."""
    rng = np.random.default_rng(3)
    truth, covered = np.array([0.1, 0.4, 0.7]), 0
    for _ in range(2000):
        images = rng.normal(truth, 0.05)
        mean = mean_over_tasks([score(float(value), 1.96 * 0.05) for value in images])
        assert mean is not None and mean.low is not None and mean.high is not None
        covered += mean.low <= truth.mean() <= mean.high
    assert 0.935 < covered / 2000 < 0.965


def test_without_prompts_the_pool_ranks_by_the_intervals_of_the_means() -> None:
    pool = pool_of(a=[0.1, 0.1], b=[0.15, 0.15], c=[0.9, 0.9])
    assert set(pool.entries[0].means) == {"forgetting", "damage", "robustness"}
    assert [(entry.submission, entry.rank) for entry in pool.entries] == [("a", (1, 2)), ("b", (1, 2)), ("c", (3, 3))]
    assert [entry.efficient for entry in pool.entries] == [True, True, False]
    assert [entry.means["damage"] and entry.means["damage"].value for entry in pool.entries] == [0.06] * 3


def test_ties_are_sorted_by_the_mean_score() -> None:
    assert [entry.submission for entry in pool_of(z=[0.10, 0.10], a=[0.12, 0.12]).entries] == ["z", "a"]
    assert [entry.submission for entry in pool_of(z=[0.1, 0.1], a=[0.1, 0.1]).entries] == ["a", "z"]
    assert [entry.submission for entry in pool_of(z=[0.0, 0.0], a=[0.02, 0.02]).entries] == ["z", "a"]
    assert [entry.submission for entry in pool_of(a=[0.1, 0.9], b=[0.2, 0.1]).entries] == ["b", "a"], "the first table ranks a before b"


def test_the_rank_sorts_before_the_mean_score() -> None:
    """The best mean has so wide an interval that it ties with both others."""
    pool = rank_pool(tables_of({STAR: [record("a", 0.1, half=0.5), record("b", 0.15), record("c", 0.3)]}), {STAR: RankingRules()})
    assert [(entry.submission, entry.rank) for entry in pool.entries] == [("b", (1, 2)), ("a", (1, 3)), ("c", (2, 3))]


def pool_of_gap(gap: float, n_prompts: Sequence[int]) -> Pool:
    """Two submissions that differ by the gap on every prompt of one or two tasks."""
    rows = {
        task: tuple(ResultRow(record(name, value, task=task), Path(name), (value,) * n) for name, value in (("a", 0.1), ("b", 0.1 + gap)))
        for task, n in zip((STAR, MOON), n_prompts, strict=False)
    }
    tables = [ResultTable("miniature", 1, task, "standard", "full", result) for task, result in rows.items()]
    return rank_pool(tables, dict.fromkeys(rows, RankingRules()))


def test_the_least_half_width_shrinks_with_the_images_of_all_tasks() -> None:
    """Two tasks of 12 prompts: √2 narrower than either alone, so that a difference between the two becomes significant."""
    one_task = resolution(12, 0.95) / 0.99
    alone, below, above = (
        pool_of_gap(one_task / 2**0.5 * factor, n_prompts) for factor, n_prompts in ((1.05, [12]), (0.95, [12, 12]), (1.05, [12, 12]))
    )
    assert [entry.rank for entry in alone.entries] == [entry.rank for entry in below.entries] == [(1, 2), (1, 2)]
    assert [entry.rank for entry in above.entries] == [(1, 1), (2, 2)]


def test_half_widths_of_tasks_are_weighted_by_their_prompts() -> None:
    few, many = (resolution(n, 0.95) / 0.99 for n in (12, 108))
    weighted, plain = (12 * few + 108 * many) / 120 / 2**0.5, (few + many) / 2 / 2**0.5
    assert weighted * 1.05 < plain * 0.95
    assert [entry.rank for entry in pool_of_gap(weighted * 1.05, [12, 108]).entries] == [(1, 1), (2, 2)]
    assert [entry.rank for entry in pool_of_gap(weighted * 0.95, [12, 108]).entries] == [(1, 2), (1, 2)]


def test_damaged_rows_have_no_values_per_prompt_of_their_own() -> None:
    rows = rows_with(a=[0.5] * 24, b=[0.9] * 24)
    destroyed = ResultRow(record("c", 0.0, verdict=DAMAGED), Path("c"), (0.0,) * 24)
    table = ResultTable("miniature", 1, STAR, "standard", "full", (*rows, destroyed))
    pool = rank_pool([table], {STAR: RankingRules(images_per_prompt=40)})
    assert [(entry.submission, entry.rank) for entry in pool.entries] == [("a", (1, 1)), ("b", (2, 2)), ("c", None)]


@pytest.mark.parametrize("label", ["damaged", "intact"])
def test_a_model_that_failed_on_every_task_is_unranked_even_alone(label: Any) -> None:
    failed = ResultRow(record("c", 0.0, verdict=Verdict(label=label, reason="")), Path("c"))
    (entry,) = rank_pool([ResultTable("miniature", 1, STAR, "standard", "full", (failed,))], {STAR: RankingRules()}).entries
    assert (entry.rank, entry.mean_rank, entry.efficient, entry.reason) == (None, None, False, f"{label} on every task")


def test_a_destroyed_model_resists_no_attack_and_is_on_no_front() -> None:
    """Nothing brings the concept back from it, because it draws nothing."""
    failing, succeeding = {"attack": score(0.0)}, {"attack": score(0.6)}
    rows = {
        STAR: [record("a", 0.3, attacks=succeeding), record("b", -0.2, attacks=failing, verdict=DAMAGED)],
        MOON: [record("a", 0.3, task=MOON, attacks=succeeding), record("b", 0.3, task=MOON, attacks=failing)],
    }
    entries = {entry.submission: entry for entry in rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules())).entries}
    assert (entries["a"].efficient, entries["b"].efficient) == (True, False)
    assert robustness(rows[STAR][1], "excess") == Score(value=1.0, low=1.0, high=1.0, n=20, note="damaged")


@pytest.mark.parametrize("status", ["disputed", "withdrawn"])
def test_a_marked_row_enters_no_mean(status: Any) -> None:
    mark = Verification(status=status, by="someone", date="2026-11-26", reason="wrong weights")
    rows = {STAR: [record("a", 0.1), record("b", 0.2)], MOON: [record("a", 0.1, task=MOON), record("b", 0.2, task=MOON, verification=mark)]}
    entries = {entry.submission: entry for entry in rank_pool(tables_of(rows), dict.fromkeys(rows, RankingRules())).entries}
    assert set(entries["b"].means.values()) == {None} and entries["b"].rank is None and not entries["b"].efficient


def test_robustness_is_the_most_successful_attack() -> None:
    attacked = record("a", attacks={"weak": score(0.1), "strong": score(0.4), "none": Score(value=None, n=0)})
    assert robustness(attacked, "excess") == score(0.4) and robustness(record("a"), "excess") is None
    harmless = record("a", attacks={"zero": score(0.0), "some": score(0.4)})
    assert robustness(harmless, "excess") == score(0.4)
    probe_results = damaged("object/star", "a")
    assert robustness(probe_results, "excess") == Score(value=0.5, low=0.1, high=0.9, n=2)


def test_forgetting_of_a_damaged_model_counts_as_no_unlearning() -> None:
    assert forgetting(record("a", 0.1, verdict=DAMAGED), "excess") == Score(value=1.0, low=1.0, high=1.0, n=20, note="damaged")
    assert forgetting(record("a", scores={}, verdict=DAMAGED), "excess") is None
    assert forgetting(record("a", 0.1), "excess") == record("a", 0.1).scores["excess"]


def test_rules_come_from_the_suite_and_the_tier() -> None:
    suite = SUITE.model_copy(update={"primary": "presence"})
    rules = RankingRules.from_suite(suite, "full")
    assert (rules.primary, rules.window, rules.images_per_prompt) == ("presence", SUITE.scores.excess_psi, 2)
    assert RankingRules.from_suite(suite, "unknown") == RankingRules.from_suite(None, "full") == RankingRules()
    assert RankingRules().window == Scoring().excess_psi


def test_density_counts_pairs_once() -> None:
    rows = [stored(record("a")), stored(record("a")), stored(record("b", task=MOON))]
    assert density(rows, 2, 2) == 0.5 and density([], 0, 2) == density([], 2, 0) == 0.0
