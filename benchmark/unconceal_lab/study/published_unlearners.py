"""Published unlearners among the rows: their trainings, and whether each does what its paper claims. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unconceal.metrics.verdict import retain_drops
from unconceal.specs.suite import Scoring
from unconceal_lab.study.reread_verdicts import evidence_of, golds_by_task, looks_forgotten
from unconceal_lab.study.study_rows import Row

Key = tuple[str, str]
"""Task and name."""


def by_unlearner(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """The trainings of every unlearner on every task, by seed; a row's name ends in its seed."""
    trainings: dict[Key, list[Row]] = {}
    for row in sorted((row for row in rows if row.kind == "method"), key=lambda row: (row.task, row.name)):
        trainings.setdefault((row.task, row.name.rpartition("-")[0]), []).append(row)
    return trainings


def retrained_unlearners(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Unlearners with several trainings."""
    return {key: trainings for key, trainings in by_unlearner(rows).items() if len(trainings) > 1}


class Effectiveness(NamedTuple):
    """Whether an unlearner does what its paper claims.

    Attributes:
        presence: Share of images of the concept's prompts that show it, P(0).
        retained: Share of θ's rate at which retain prompts still show their concepts; None: no retain prompts.
        forgets: P(0) is significantly below halfway between golds and θ.
        retains: The retain rate does not significantly drop by more than the suite allows.
    """

    presence: float
    retained: float | None
    forgets: bool
    retains: bool


def effectiveness_of(row: Row, golds: Sequence[Row], scoring: Scoring) -> Effectiveness:
    """By the same intervals as the verdict."""
    evidence = evidence_of(row, golds, scoring)
    drop = retain_drops(evidence).get(("prompt", 0.0))
    return Effectiveness(
        presence=float(evidence.p0.mean()),
        retained=1 - drop[0] if drop else None,
        forgets=looks_forgotten(evidence),
        retains=drop is None or drop[1].low <= scoring.max_retain_drop,
    )


def effectiveness(rows: Sequence[Row], scoring: Scoring) -> dict[Key, Effectiveness]:
    """Effectiveness of the first training of every unlearner on every task."""
    golds = golds_by_task(rows)
    return {key: effectiveness_of(trainings[0], golds[key[0]], scoring) for key, trainings in by_unlearner(rows).items()}
