"""The ranking of one task: ranks are intervals, because rows that do not differ significantly are tied."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from unconceal.ranking.paired_comparison import compare_rows
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.ranking.submission_summary import FAILED_LABELS
from unconceal.ranking.validate_rows import validate_table
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultRow, ResultTable

CONTROL_ORDER = ("control-original", "control-gold", "control-unrelated", "control-collapsed")


@dataclass(frozen=True)
class RankedRow:
    """A row with its rank; 1 is the best.

    Attributes:
        result: the row.
        rank: (lowest, highest) rank; None for controls and unranked submissions.
        tie_group: number of its group of ties; None if unranked.
    """

    result: ResultRow
    rank: tuple[int, int] | None
    tie_group: int | None = None

    @property
    def rank_text(self) -> str:
        """`2`, a tie as `2–4`, empty if unranked."""
        return format_rank(self.rank)

    @property
    def is_best(self) -> bool:
        """Whether it is the best row, or not significantly worse."""
        return self.tie_group == 1


def format_rank(rank: tuple[int, int] | None) -> str:
    """`2`, a tie as `2–4`, empty if unranked."""
    if rank is None:
        return ""
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def rank_table(table: ResultTable, rules: RankingRules | None = None) -> tuple[RankedRow, ...]:
    """Ranks submissions by the primary score (lower is better); unranked submissions follow, then controls.

    Raises:
        CheckFailed: the table cannot be ranked, see :mod:`unconceal.ranking.validate_rows`.
    """
    rules = rules or RankingRules()
    validate_table(table, rules.primary)
    ranked = [row for row in table.rows if is_ranked(row, rules.primary)]
    ranked.sort(key=lambda row: (primary_value(row, rules.primary), row.record.submission))
    unranked = [row for row in table.rows if not row.is_control and not is_ranked(row, rules.primary)]
    controls = [row for row in table.rows if row.is_control]
    less = compare_rows(ranked, table, rules).significantly_less() if ranked else np.zeros((0, 0), bool)
    with_rank = [RankedRow(*values) for values in zip(ranked, rank_intervals(less), tie_groups(less), strict=True)]
    others = [*sorted(unranked, key=lambda row: row.record.submission), *sorted(controls, key=control_sort_key)]
    return (*with_rank, *(RankedRow(row, None) for row in others))


def is_ranked(row: ResultRow, primary: str = "excess") -> bool:
    """Whether a row competes: a submission with a primary score that is not intact, damaged, disputed or withdrawn."""
    score, record = row.record.scores.get(primary), row.record
    return (
        not row.is_control
        and score is not None
        and score.value is not None
        and isfinite(score.value)
        and record.verdict.label not in FAILED_LABELS
        and not is_marked(record)
    )


def rank_intervals(less: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Ranks from comparisons.

    Args:
        less: (n, n) whether row i is significantly less than row j.

    Returns:
        For each row (1 + number of significantly better rows, n − number of significantly worse rows).
    """
    n_rows = len(less)
    return [(1 + int(n_better), n_rows - int(n_worse)) for n_better, n_worse in zip(less.sum(axis=0), less.sum(axis=1), strict=True)]


def tie_groups(less: NDArray[np.bool_]) -> list[int]:
    """1, 1, 2, …: each row joins the group of the row before, unless it is significantly worse than the group's first.

    Args:
        less: (n, n) comparisons of rows in ascending order of their value.
    """
    groups: list[int] = []
    first = 0
    for index in range(len(less)):
        if index == 0 or less[first, index]:
            first = index
            groups.append(groups[-1] + 1 if groups else 1)
        else:
            groups.append(groups[-1])
    return groups


def primary_value(row: ResultRow, primary: str) -> float:
    """The primary score of a row that has one."""
    value = row.record.scores[primary].value
    assert value is not None
    return value


def control_sort_key(row: ResultRow) -> tuple[int, str]:
    """Sorts controls by kind, then by name."""
    name = row.record.submission
    kind = next((index for index, prefix in enumerate(CONTROL_ORDER) if name.startswith(prefix)), len(CONTROL_ORDER))
    return kind, name
