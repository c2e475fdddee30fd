"""Published unlearners among the rows: their trainings, and whether each does what its paper says. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unconceal.metrics.verdict import retain_falls
from unconceal.specs.suite import Scoring
from unconceal_lab.study.reread_verdicts import evidence_of, golds_by_task, hides
from unconceal_lab.study.study_rows import Row

Key = tuple[str, str]
"""Task and name."""


def by_unlearner(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Every unlearner on every task with its trainings, the first seed first; a row's name ends in its seed."""
    found: dict[Key, list[Row]] = {}
    for row in sorted((row for row in rows if row.kind == "method"), key=lambda row: (row.task, row.name)):
        found.setdefault((row.task, row.name.rpartition("-")[0]), []).append(row)
    return found


def trained_again(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Those with several trainings."""
    return {key: of for key, of in by_unlearner(rows).items() if len(of) > 1}


class Work(NamedTuple):
    """Whether an unlearner does what its paper says.

    Attributes:
        shown: share of the pictures asked for by the concept's prompts that show it, P(0).
        kept: share of θ's rate at which other concepts are still drawn when asked for; None: no prompts for that.
        hides: P(0) is surely below halfway between golds and θ. ``spares``: the others do not surely fall by more than the suite allows.
    """

    shown: float
    kept: float | None
    hides: bool
    spares: bool


def work_of(row: Row, golds: Sequence[Row], scoring: Scoring) -> Work:
    """By the same intervals as the verdict."""
    evidence = evidence_of(row, golds, scoring)
    fall = retain_falls(evidence).get(0.0)
    return Work(
        shown=float(evidence.p0.mean()),
        kept=1 - fall[0] if fall else None,
        hides=hides(evidence),
        spares=fall is None or fall[1].low <= scoring.retain_fall,
    )


def works(rows: Sequence[Row], scoring: Scoring) -> dict[Key, Work]:
    """Of the first training of every unlearner on every task."""
    golds = golds_by_task(rows)
    return {key: work_of(of[0], golds[key[0]], scoring) for key, of in by_unlearner(rows).items()}
