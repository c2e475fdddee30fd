"""Checks before a ranking: unknown scores, values that are not finite, duplicate rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

from unconceal.errors import CheckFailed
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Score

TOLERANCE = 1e-9


def validate_table(table: ResultTable, primary: str) -> None:
    """Checks that a table can be ranked by a score.

    Raises:
        CheckFailed: a submission occurs twice, a score is not a number within its interval, or no row has the primary score.
    """
    submissions: set[str] = set()
    for row in table.rows:
        if row.record.submission in submissions:
            value = f"{row.path}: {row.record.submission} on {table.task}"
            raise CheckFailed("ranking.duplicate-row", value, "occurs twice, so every rank would be wrong", "remove one record")
        submissions.add(row.record.submission)
        score = row.record.scores.get(primary)
        if score is not None and (problem := score_problem(score)):
            value = f"{row.path}: {primary} on {table.task}"
            raise CheckFailed("ranking.bad-score", value, f"{problem}, so it cannot be ranked", "run the evaluation again")
    scored = [row for row in table.rows if not row.is_control and row.record.verdict.gold and row.record.scores]
    if scored and all(primary not in row.record.scores for row in scored):
        value, remedy = (
            f"{scored[0].path}: primary {primary!r} of suite {table.suite}",
            f"name a score such as {next(iter(scored[0].record.scores))}",
        )
        raise CheckFailed("ranking.unknown-score", value, f"is in no record of {table.task}", remedy)


def score_problem(score: Score) -> str:
    """Why a score is not a finite number within its interval; empty if it is."""
    numbers = [number for number in (score.value, score.low, score.high) if number is not None]
    if not all(isfinite(number) for number in numbers):
        return "is not finite"
    if score.value is None:
        return ""
    low, high = (-inf if score.low is None else score.low), (inf if score.high is None else score.high)
    return "" if low - TOLERANCE <= score.value <= high + TOLERANCE else "lies outside its own interval"


def density(rows: Sequence[ResultRow], n_tasks: int, n_submissions: int) -> float:
    """The share of (submission, task) pairs that have a row, 0 to 1."""
    pairs = {(row.record.submission, row.record.task) for row in rows}
    return len(pairs) / (n_tasks * n_submissions) if n_tasks and n_submissions else 0.0
