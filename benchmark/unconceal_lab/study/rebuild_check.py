"""Models whose weights were made a second time, beside their first making. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import UNDECIDED
from unconceal_lab.study.reread_verdicts import rejudged
from unconceal_lab.study.settings import BUILT_AGAIN, USUAL
from unconceal_lab.study.study_rows import Row, by_task


class Makings(NamedTuple):
    """One model, as it was made first and again."""

    first: Row
    second: Row


def makings(rows: Sequence[Row]) -> list[Makings]:
    """Every model that was made twice, both times as it was read against the first golds of its task."""
    usual = {(row.task, row.name): row for row in rows if row.setting == USUAL and row.prompt}
    again = [row for row in rows if row.setting == BUILT_AGAIN and (row.task, row.name) in usual]
    return [Makings(usual[row.task, row.name], row) for row in again]


class Moved(NamedTuple):
    """Verdicts of one task's models once its golds are replaced by their second making."""

    task: str
    golds: int
    same: int
    opened: int
    turned: int

    @property
    def n(self) -> int:
        return self.same + self.opened + self.turned


def moved(rows: Sequence[Row], scoring: Scoring) -> list[Moved]:
    """Of every task of which a gold was made again: how many verdicts stay, how many are open in one reading alone, how many turn."""
    found = []
    for task, of in by_task(rows).items():
        fresh = {row.name: row for row in of if row.setting == BUILT_AGAIN and row.kind == "gold"}
        if not fresh:
            continue
        models = [row for row in of if row.setting == USUAL and row.prompt and row.kind != "surrogate"]
        golds = [row for row in models if row.kind == "gold"]
        replaced = [fresh.get(gold.name, gold) for gold in golds]
        pairs = [(row.label, rejudged(row, replaced, scoring)) for row in models]
        same = sum(first == second for first, second in pairs)
        opened = sum(first != second and (first in UNDECIDED or second in UNDECIDED) for first, second in pairs)
        found.append(Moved(task, sum(gold.name in fresh for gold in golds), same, opened, len(pairs) - same - opened))
    return found
