"""Who stands before whom on one task: ranks as intervals, ties as ties."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from unconceal.ranking.paired_comparison import compared
from unconceal.ranking.ranking_rules import Rules
from unconceal.ranking.validate_rows import validate
from unconceal.results.result_tables import ResultRow, ResultTable

UNRANKED_LABELS = ("damaged",)
"""A destroyed model shows no concept either: it must not win by that."""
UNRANKED_STATUS = ("disputed", "withdrawn")
CONTROL_ORDER = ("control-original", "control-gold", "control-unrelated", "control-collapsed")


@dataclass(frozen=True)
class RankedRow:
    """A row with its rank interval and its group of ties, 1 the best; None for controls and for what is not ranked. Low is better."""

    stored: ResultRow
    rank: tuple[int, int] | None
    group: int | None = None

    @property
    def written(self) -> str:
        """`2`, a tie as `2–4`, nothing if unranked."""
        return write_rank(self.rank)

    @property
    def is_best(self) -> bool:
        """Whether it is the best, or not surely worse than the best."""
        return self.group == 1


def write_rank(rank: tuple[int, int] | None) -> str:
    """`2`, a tie as `2–4`, nothing if unranked."""
    if rank is None:
        return ""
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def rank(board: ResultTable, rules: Rules | None = None) -> tuple[RankedRow, ...]:
    """Submissions by the primary score (lower is better), then the unranked ones, then controls.

    Raises:
        CheckFailed: the board cannot be ranked, see :mod:`unconceal.ranking.validate_rows`.
    """
    rules = rules or Rules()
    validate(board, rules.primary)
    ranks = {row.record.submission for row in board.rows if is_ranked(row, rules.primary)}
    entrants = [row for row in board.rows if row.record.submission in ranks]
    entrants.sort(key=lambda row: (value(row, rules.primary), row.record.submission))
    others = [row for row in board.rows if not row.is_control and row.record.submission not in ranks]
    less = compared(entrants, board, rules).surely_less() if entrants else np.zeros((0, 0), bool)
    ranked = [RankedRow(*each) for each in zip(entrants, rank_intervals(less), tie_groups(less), strict=True)]
    unranked = [*sorted(others, key=_by_name), *sorted((row for row in board.rows if row.is_control), key=control_place)]
    return (*ranked, *(RankedRow(row, None) for row in unranked))


def is_ranked(row: ResultRow, primary: str = "excess") -> bool:
    """Whether a row competes: a submission with a primary score, not damaged, disputed or withdrawn."""
    score, record = row.record.scores.get(primary), row.record
    return (
        not row.is_control
        and score is not None
        and score.value is not None
        and isfinite(score.value)
        and record.verdict.label not in UNRANKED_LABELS
        and record.verification.status not in UNRANKED_STATUS
    )


def rank_intervals(less: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(1 + how many are surely better, n − how many are surely worse), from ``less`` (n, n): i is surely less than j."""
    n = len(less)
    return [(1 + int(better), n - int(worse)) for better, worse in zip(less.sum(axis=0), less.sum(axis=1), strict=True)]


def tie_groups(less: NDArray[np.bool_]) -> list[int]:
    """1, 1, 2, …: rows in order, of which each joins the group until it is surely worse than the group's first."""
    groups: list[int] = []
    first = 0
    for i in range(len(less)):
        if i == 0 or less[first, i]:
            first = i
            groups.append(groups[-1] + 1 if groups else 1)
        else:
            groups.append(groups[-1])
    return groups


def value(row: ResultRow, primary: str) -> float:
    """The primary score of a row that has one."""
    found = row.record.scores[primary].value
    assert found is not None
    return found


def control_place(row: ResultRow) -> tuple[int, str]:
    """Where a control stands among the controls."""
    name = row.record.submission
    place = next((i for i, start in enumerate(CONTROL_ORDER) if name.startswith(start)), len(CONTROL_ORDER))
    return place, name


def _by_name(row: ResultRow) -> str:
    return row.record.submission
