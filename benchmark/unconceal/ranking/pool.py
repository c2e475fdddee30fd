"""The ranking over several tasks: mean rank and Borda count in one declared pool.

The pool consists of a suite's tasks (all, or a category's) on which any submission counts, and of the submissions with a row on every
one of them. Ranks are computed anew within the pool, so results elsewhere do not change them. Incomplete submissions are listed unranked,
with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from unconceal.ranking.paired_comparison import Floats, compare_rows, disjoint_intervals, paired_significantly_less
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.ranking.submission_summary import AXES, FAILED_LABELS, NO_UNLEARNING_EXCESS, mean_over_tasks, pareto_efficient
from unconceal.ranking.task_ranking import (
    RankedRow,
    control_sort_key,
    is_ranked,
    primary_value,
    rank_intervals,
    rank_table,
)
from unconceal.ranking.validate_rows import density
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Score


@dataclass(frozen=True)
class PoolEntry:
    """One submission in a pool.

    Attributes:
        rows: its row on each task that it has one of.
        means: mean over the tasks of each axis of :data:`unconceal.ranking.submission_summary.AXES`; None if not measured on every task.
        rank: (1 + number of significantly better, n − number of significantly worse) over all prompts of all tasks; None if unranked.
        mean_rank: mean rank of its values, 1 is the best; damaged and intact rows share the last ranks of a task.
        borda: share of comparisons (others × tasks) that it wins significantly, ties count half; 0 to 1, higher is better.
        efficient: whether it is on the Pareto front, and neither damaged nor intact on any task.
        reason: why it is unranked; empty if it is ranked.
    """

    submission: str
    rows: Mapping[str, RankedRow]
    means: Mapping[str, Score | None]
    rank: tuple[int, int] | None = None
    mean_rank: float | None = None
    borda: float | None = None
    efficient: bool = False
    reason: str = ""

    @property
    def row(self) -> ResultRow:
        """Any of its rows, for what is the same on every task."""
        return next(iter(self.rows.values())).result

    @property
    def is_control(self) -> bool:
        return self.row.is_control

    @property
    def is_inference_time(self) -> bool:
        """Whether it is an inference-time method on any task."""
        return any(row.result.record.is_inference_time for row in self.rows.values())

    def has_failed(self, tables: Sequence[ResultTable]) -> bool:
        """Whether it is damaged or intact on one of the tasks."""
        rows = [self.rows[table.task] for table in tables if table.task in self.rows]
        return any(row.result.record.verdict.label in FAILED_LABELS for row in rows)


@dataclass(frozen=True)
class Pool:
    """Tasks and submissions: ranked entries, then unranked ones, then controls.

    Attributes:
        tables: the tables of all tasks.
        ranked_tables: the tables that the ranks are taken over: those on which some submission counts, or all if none does. Before a task's
            golds are measured, no row has an excess on it.
        entries: every submission and control.
        density: share of (submission, ranked table) pairs that have a row, 0 to 1.
    """

    tables: tuple[ResultTable, ...]
    ranked_tables: tuple[ResultTable, ...]
    entries: tuple[PoolEntry, ...]
    density: float

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(table.task for table in self.tables)

    @property
    def ranked(self) -> tuple[PoolEntry, ...]:
        return tuple(entry for entry in self.entries if entry.rank)


def rank_pool(
    tables: Sequence[ResultTable], rules: Mapping[str, RankingRules], ranks: Mapping[str, Sequence[RankedRow]] | None = None
) -> Pool:
    """Ranks submissions over several tables of one suite version.

    Args:
        tables: one table per task.
        rules: the ranking's parameters, by task.
        ranks: rows ranked on their own table, by task; computed if missing.

    Raises:
        CheckFailed: a table cannot be ranked.
    """
    ranks = ranks or {table.task: rank_table(table, rules[table.task]) for table in tables}
    rows: dict[str, dict[str, RankedRow]] = {}
    for table in tables:
        for row in ranks[table.task]:
            rows.setdefault(row.result.record.submission, {})[table.task] = row
    ranked_tables = [table for table in tables if any(_counts(row, table, rules) for row in ranks[table.task])] or list(tables)
    entries = [_unranked_entry(name, by_task, ranked_tables, rules) for name, by_task in rows.items()]
    submissions = [entry for entry in entries if not entry.is_control]
    ranked = _ranked_entries([entry for entry in submissions if not entry.reason], ranked_tables, rules)
    unranked = sorted((entry for entry in submissions if entry.reason), key=lambda entry: entry.submission)
    controls = sorted((entry for entry in entries if entry.is_control), key=lambda entry: control_sort_key(entry.row))
    present = [entry.rows[table.task].result for entry in submissions for table in ranked_tables if table.task in entry.rows]
    share = density(present, len(ranked_tables), len(submissions))
    return Pool(tuple(tables), tuple(ranked_tables), (*ranked, *unranked, *controls), share)


def _counts(row: RankedRow, table: ResultTable, rules: Mapping[str, RankingRules]) -> bool:
    return not row.result.is_control and not _reason_uncounted(row, table, rules[table.task].primary)


def _unranked_entry(
    name: str, rows: Mapping[str, RankedRow], tables: Sequence[ResultTable], rules: Mapping[str, RankingRules]
) -> PoolEntry:
    """An entry before ranking, with the reason if it cannot be ranked."""
    reasons = [reason for table in tables if (reason := _reason_uncounted(rows.get(table.task), table, rules[table.task].primary))]
    records = [rows[table.task].result.record for table in tables if table.task in rows]
    complete = len(records) == len(tables) and not any(map(is_marked, records))
    labels = sorted({record.verdict.label for record in records})
    if complete and not reasons and set(labels) <= set(FAILED_LABELS):
        reasons = [f"{' or '.join(labels)} on every task"]
    means = {
        axis: mean_over_tasks([score_of(record, rules[record.task].primary) for record in records]) if complete else None
        for axis, score_of in AXES.items()
    }
    return PoolEntry(name, rows, means, reason="; ".join(reasons))


def _reason_uncounted(row: RankedRow | None, table: ResultTable, primary: str) -> str:
    """Why a row does not count on a task; empty if it does."""
    if row is None:
        return f"no record of {table.concept}"
    record = row.result.record
    if is_marked(record):
        return f"{record.verification.status} on {table.concept}"
    if (record.verdict.label in FAILED_LABELS and primary in record.scores) or is_ranked(row.result, primary):
        return ""
    return f"no {primary} on {table.concept}"


def _ranked_entries(entries: Sequence[PoolEntry], tables: Sequence[ResultTable], rules: Mapping[str, RankingRules]) -> list[PoolEntry]:
    """Complete entries with rank, mean rank, Borda count and Pareto flag, the best first."""
    if not entries:
        return []
    comparisons = [_compare_task([entry.rows[table.task].result for entry in entries], table, rules[table.task]) for table in tables]
    wins = np.sum([comparison.wins for comparison in comparisons], axis=0) / (len(tables) * max(len(entries) - 1, 1))
    mean_ranks = np.mean([comparison.value_ranks for comparison in comparisons], axis=0)
    less = _significantly_less(entries, comparisons)
    front = pareto_efficient([[entry.means[axis] for entry in entries] for axis in AXES], less)
    ranked = [
        replace(
            entry,
            rank=rank,
            mean_rank=float(mean_rank),
            borda=float(share) if len(entries) > 1 else None,
            efficient=efficient and not entry.has_failed(tables),
        )
        for entry, rank, mean_rank, share, efficient in zip(entries, rank_intervals(less), mean_ranks, wins, front, strict=True)
    ]
    return sorted(ranked, key=_sort_key)


def _sort_key(entry: PoolEntry) -> tuple[float, float, str]:
    """By rank, within ties by the mean score."""
    mean = entry.means["forgetting"]
    return float(sum(entry.rank or ())), mean.value or 0.0 if mean else 0.0, entry.submission


@dataclass(frozen=True)
class TaskComparison:
    """Comparisons of n rows on one task.

    Attributes:
        wins: (n,) rows that each is significantly better than, plus half its ties.
        value_ranks: (n,) rank of each value.
        per_prompt: (n, n_prompts) values, or None if a row lacks them.
        min_half_width: least half-width of a difference's interval.
    """

    wins: Floats
    value_ranks: Floats
    per_prompt: Floats | None
    min_half_width: float


def _compare_task(rows: Sequence[ResultRow], table: ResultTable, rules: RankingRules) -> TaskComparison:
    """Compares rows. Damaged and intact rows are significantly worse than others, and count as if nothing had been unlearned."""
    failed = np.array([row.record.verdict.label in FAILED_LABELS for row in rows])
    less, others = ~failed[:, None] & failed[None, :], np.flatnonzero(~failed)
    comparison = compare_rows([rows[index] for index in others.tolist()], table, rules) if len(others) else None
    if comparison:
        less[np.ix_(others, others)] = comparison.significantly_less()
    tied = ~less & ~less.T & ~np.eye(len(rows), dtype=bool)
    values = [np.inf if has_failed else primary_value(row, rules.primary) for row, has_failed in zip(rows, failed, strict=True)]
    per_prompt = None
    if comparison and comparison.per_prompt is not None:
        per_prompt = np.full((len(rows), comparison.per_prompt.shape[1]), NO_UNLEARNING_EXCESS)
        per_prompt[others] = comparison.per_prompt
    wins = less.sum(axis=1) + 0.5 * tied.sum(axis=1)
    return TaskComparison(wins, stats.rankdata(values), per_prompt, comparison.min_half_width if comparison else 0.0)


def _significantly_less(entries: Sequence[PoolEntry], comparisons: Sequence[TaskComparison]) -> NDArray[np.bool_]:
    """(n, n): whether i is significantly better than j over all prompts of all tasks, paired; without prompts by the means' intervals."""
    per_task = [comparison.per_prompt for comparison in comparisons if comparison.per_prompt is not None]
    if len(per_task) < len(comparisons):
        return disjoint_intervals([entry.means["forgetting"] or Score(value=None, n=0) for entry in entries])
    n_prompts = np.array([values.shape[1] for values in per_task])
    # All tasks' images together: half-widths shrink with the root of their number, as those of one task do with more prompts.
    half_widths = [comparison.min_half_width for comparison in comparisons]
    min_half_width = float(np.average(half_widths, weights=n_prompts)) / len(comparisons) ** 0.5
    return paired_significantly_less(np.concatenate(per_task, axis=1), min_half_width)
