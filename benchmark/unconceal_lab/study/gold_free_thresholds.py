"""Can anything stand in for golds? Floors that need none: what a model completes by itself, held against a threshold from other tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.statistics import Interval, wilson
from unconceal.specs.suite import Arm
from unconceal_lab.study.reread_verdicts import ARMS, curve
from unconceal_lab.study.study_rows import Row, by_task

Completion = Callable[[Row], float]
"""How much of the concept a row completes, in units of θ's own rate, read against nothing."""
FORGOT, HIDES = ("gold", "alone"), ("decoupled",)


def at(arm: Arm, psi: float) -> Completion:
    """P(ψ) in one arm."""
    return lambda row: float(curve(row, arm)[:, row.psi.index(psi)].mean()) / own_rate(row)


def over(arm: Arm, low: float, high: float) -> Completion:
    """Mean of P over a window of ψ in one arm."""
    return lambda row: float(mean_over_psi(row.psi, curve(row, arm), upper=high, lower=low).mean()) / own_rate(row)


def own_rate(row: Row) -> float:
    """θ's rate on the row's prompts."""
    return float(curve(row, "prompt")[:, -1].mean())


def completions(grid: Sequence[float]) -> Mapping[str, Completion]:
    """Every floor that is tried: single ratios and windows, in both arms and in the larger of the two."""
    inner = [psi for psi in grid if 0 < psi <= 0.6]
    windows = [(0.1, 0.3), (0.1, 0.6)]
    found = {f"P at ψ = {psi:g}, {arm} arm": at(arm, psi) for arm in ARMS for psi in inner}
    return found | {f"mean P over ψ {low:g} to {high:g}, {arm} arm": over(arm, low, high) for arm in ARMS for low, high in windows}


class Floor(NamedTuple):
    """Threshold, and how it does: golds at or below it, concealers above it.

    ``threshold``: midway between the golds' largest and the concealers' smallest value over all tasks. ``right`` of ``n``: each task
    judged by the threshold of the others. ``gap``: smallest concealer minus largest gold; negative where they overlap.
    """

    threshold: float
    gap: float
    right: int
    n: int

    @property
    def interval(self) -> Interval:
        return wilson(self.right, self.n)


def midway(values: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """(threshold, gap) between golds (False) and concealers (True)."""
    highest, lowest = max(value for value, hides in values if not hides), min(value for value, hides in values if hides)
    return (highest + lowest) / 2, lowest - highest


def floor_of(rows: Sequence[Row], completion: Completion) -> Floor | None:
    """How well one threshold tells golds from concealers without any gold; None: fewer than two tasks hold both."""
    tables = {
        task: [(completion(row), row.kind in HIDES) for row in of if row.kind in (*FORGOT, *HIDES) and own_rate(row) > 0]
        for task, of in by_task(rows).items()
    }
    tables = {task: of for task, of in tables.items() if len({hides for _, hides in of}) == 2}
    if len(tables) < 2:
        return None
    right = 0
    for task, of in tables.items():
        threshold, _ = midway([pair for other, pairs in tables.items() if other != task for pair in pairs])
        right += sum((value > threshold) == hides for value, hides in of)
    return Floor(*midway([pair for of in tables.values() for pair in of]), right, sum(map(len, tables.values())))


def floors(rows: Sequence[Row]) -> dict[str, Floor]:
    """Every floor by its name, the best first."""
    measured = [row for row in rows if row.prompt]
    grid = np.unique([psi for row in measured for psi in row.psi]).tolist()
    found = {name: one for name, completion in completions(grid).items() if (one := floor_of(measured, completion))}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].right, -pair[1].gap)))
