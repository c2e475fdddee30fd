"""The graded series: models that saw a known share of a concept, and those among them that all look forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from unconceal_lab.study.population import DECOUPLED_SUFFIX, SEEDS
from unconceal_lab.study.study_rows import Row, by_task


def graded_tasks(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """All rows of the tasks with a graded model; elsewhere the only shares are 0 and 1."""
    return {task: task_rows for task, task_rows in by_task(rows).items() if any(row.kind == "graded" for row in task_rows)}


def rows_with_shares(rows: Sequence[Row]) -> list[Row]:
    """All rows of those tasks."""
    return [row for task_rows in graded_tasks(rows).values() for row in task_rows]


def decoupled_series(rows: Sequence[Row]) -> list[Row]:
    """One decoupled model per share, by task and share; the last of a task is pure decoupling of θ itself."""
    return [row for task_rows in graded_tasks(rows).values() for row in [*decoupled_graded(task_rows), *pure_decoupling(task_rows)]]


def plain_series(rows: Sequence[Row]) -> list[Row]:
    """The same trainings without decoupling, by task and share; the last of a task is θ."""
    plain = [row for row in rows_with_shares(rows) if row.kind in ("graded", "original") and not row.name.endswith(DECOUPLED_SUFFIX)]
    return sorted(plain, key=lambda row: (row.task, row.share or 0))


def series_and_golds(rows: Sequence[Row]) -> list[Row]:
    """The decoupled series and the golds: none draws the concept when prompted, only hidden knowledge differs."""
    return [*decoupled_series(rows), *(row for row in rows_with_shares(rows) if row.kind == "gold")]


def decoupled_graded(rows: Sequence[Row]) -> list[Row]:
    """Graded models that were decoupled afterwards, by share."""
    graded = (row for row in rows if row.kind == "graded" and row.name.endswith(DECOUPLED_SUFFIX))
    return sorted(graded, key=lambda row: row.share or 0)


def pure_decoupling(rows: Sequence[Row]) -> list[Row]:
    """One pure decoupling: to nothing where the task has it, else to another concept."""
    decoupled = (row for row in rows if row.kind == "decoupled" and row.name.endswith(f"-{SEEDS[0]}"))
    return sorted(decoupled, key=lambda row: row.name)[:1]
