"""The graded series: models of which it is known how much of a concept they saw, and those among them that all look forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from unconceal_lab.study.population import ABOVE, SEEDS
from unconceal_lab.study.study_rows import Row, by_task


def graded_tasks(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Tasks on which a graded model was measured, each with all its rows: elsewhere the shares seen are nothing and everything only."""
    return {task: of for task, of in by_task(rows).items() if any(row.kind == "graded" for row in of)}


def with_shares(rows: Sequence[Row]) -> list[Row]:
    """All rows of those tasks."""
    return [row for of in graded_tasks(rows).values() for row in of]


def hidden(rows: Sequence[Row]) -> list[Row]:
    """One model a share, all with the concept's words cut off on top, by task and share: the last one is pure decoupling of θ itself."""
    return [row for of in graded_tasks(rows).values() for row in [*on_top(of), *pure(of)]]


def shown_openly(rows: Sequence[Row]) -> list[Row]:
    """The same trainings as they are, by share: the last one is θ."""
    found = [row for row in with_shares(rows) if row.kind in ("graded", "original") and not row.name.endswith(ABOVE)]
    return sorted(found, key=lambda row: (row.task, row.share or 0))


def look_forgotten(rows: Sequence[Row]) -> list[Row]:
    """Those and the golds: the ordering truth, since none draws the concept when asked and only hidden knowledge differs."""
    return [*hidden(rows), *(row for row in with_shares(rows) if row.kind == "gold")]


def on_top(rows: Sequence[Row]) -> list[Row]:
    """Graded models that were decoupled on top, by share."""
    return sorted((row for row in rows if row.kind == "graded" and row.name.endswith(ABOVE)), key=lambda row: row.share or 0)


def pure(rows: Sequence[Row]) -> list[Row]:
    """One pure decoupling: to nothing where the task has that, else to another concept."""
    found = sorted((row for row in rows if row.kind == "decoupled" and row.name.endswith(f"-{SEEDS[0]}")), key=lambda row: row.name)
    return found[:1]
