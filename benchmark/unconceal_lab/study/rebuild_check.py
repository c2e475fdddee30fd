"""Models whose weights were built a second time, compared with the first build. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import UNDECIDED
from unconceal_lab.study.reread_verdicts import label_of
from unconceal_lab.study.settings import REBUILT, USUAL
from unconceal_lab.study.study_rows import Row, by_task


class RebuildPair(NamedTuple):
    """Rows of one model from its first and its second build."""

    first: Row
    second: Row


def rebuild_pairs(rows: Sequence[Row]) -> list[RebuildPair]:
    """Every model that was built twice; both rows are compared with the first golds of their task."""
    first = {(row.task, row.name): row for row in rows if row.setting == USUAL and row.prompt}
    rebuilt = [row for row in rows if row.setting == REBUILT and (row.task, row.name) in first]
    return [RebuildPair(first[row.task, row.name], row) for row in rebuilt]


class VerdictChanges(NamedTuple):
    """Verdicts of one task's models after its golds are replaced by rebuilt ones.

    Attributes:
        task: The task.
        golds: Number of replaced golds.
        same: Equal verdicts.
        undecided: Verdicts that are undecided in one of the comparisons.
        contradicting: Two different decisions.
    """

    task: str
    golds: int
    same: int
    undecided: int
    contradicting: int

    @property
    def n(self) -> int:
        return self.same + self.undecided + self.contradicting


def verdict_changes(rows: Sequence[Row], scoring: Scoring) -> list[VerdictChanges]:
    """Verdict changes of every task with a rebuilt gold."""
    changes = []
    for task, task_rows in by_task(rows).items():
        rebuilt = {row.name: row for row in task_rows if row.setting == REBUILT and row.kind == "gold"}
        if not rebuilt:
            continue
        models = [row for row in task_rows if row.setting == USUAL and row.prompt and row.kind != "surrogate"]
        golds = [row for row in models if row.kind == "gold"]
        replaced = [rebuilt.get(gold.name, gold) for gold in golds]
        pairs = [(row.label, label_of(row, replaced, scoring)) for row in models]
        same = sum(first == second for first, second in pairs)
        undecided = sum(first != second and (first in UNDECIDED or second in UNDECIDED) for first, second in pairs)
        n_replaced = sum(gold.name in rebuilt for gold in golds)
        changes.append(VerdictChanges(task, n_replaced, same, undecided, len(pairs) - same - undecided))
    return changes
