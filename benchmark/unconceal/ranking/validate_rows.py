"""What is refused before anything is ranked: a wrong column, a number that is none, a row twice."""

from __future__ import annotations

from math import isfinite

from unconceal.errors import CheckFailed
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Score


def validate(board: ResultTable, primary: str) -> None:
    """Raises CheckFailed if the board cannot be ranked by a score."""
    seen: set[str] = set()
    for row in board.rows:
        if row.record.submission in seen:
            raise CheckFailed(f"{row.record.submission} on {board.task}", "stands twice, so every rank would be wrong", "remove one record")
        seen.add(row.record.submission)
        score = row.record.scores.get(primary)
        if score is not None and (wrong := unsound(score)):
            raise CheckFailed(f"{primary} of {row.path.name}", f"{wrong}, so it has no place in an order", "run the evaluation again")
    judged = [row for row in board.rows if not row.is_control and row.record.verdict.gold and row.record.scores]
    if judged and all(primary not in row.record.scores for row in judged):
        remedy = f"name one that they hold, such as {next(iter(judged[0].record.scores))}"
        raise CheckFailed(f"primary {primary!r} of suite {board.suite}", f"is in no record of {board.task}", remedy)


def unsound(score: Score) -> str:
    """What keeps a score from being a number within its interval; empty if nothing does."""
    numbers = [number for number in (score.value, score.low, score.high) if number is not None]
    if not all(isfinite(number) for number in numbers):
        return "is not finite"
    if score.value is None:
        return ""
    ends = (-float("inf") if score.low is None else score.low, float("inf") if score.high is None else score.high)
    return "" if ends[0] - 1e-9 <= score.value <= ends[1] + 1e-9 else "lies outside its own interval"


def density(rows: list[ResultRow], tasks: int, submissions: int) -> float:
    """The share of (submission, task) pairs that have a row, 0 to 1."""
    return len({(row.record.submission, row.record.task) for row in rows}) / (tasks * submissions) if tasks and submissions else 0.0
