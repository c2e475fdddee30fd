"""Thresholds that need no golds: what a model completes by itself, judged by a threshold from other tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.statistics import Interval, wilson
from unconceal.specs.suite import DECIDING_ARMS, Arm
from unconceal_lab.study.reread_verdicts import curve
from unconceal_lab.study.study_rows import Row, by_task

Completion = Callable[[Row], float]
"""How much of the concept a model completes, in units of θ's rate, without comparison to golds."""
FORGETTING_KINDS, CONCEALING_KINDS = ("gold", "alone"), ("decoupled",)


def completion_at(arm: Arm, psi: float) -> Completion:
    """P(ψ) in one arm."""
    return lambda row: float(curve(row, arm)[:, row.psi.index(psi)].mean()) / original_rate(row)


def mean_completion(arm: Arm, low: float, high: float) -> Completion:
    """Mean of P over a window of ψ in one arm."""
    return lambda row: float(mean_over_psi(row.psi, curve(row, arm), upper=high, lower=low).mean()) / original_rate(row)


def original_rate(row: Row) -> float:
    """θ's rate on the row's prompts."""
    return float(curve(row, "prompt")[:, -1].mean())


def completions(grid: Sequence[float]) -> Mapping[str, Completion]:
    """Every completion that is tried, by name: single points of the grid and windows, in both arms."""
    inner = [psi for psi in grid if 0 < psi <= 0.6]
    windows = [(0.1, 0.3), (0.1, 0.6)]
    points = {f"P at ψ = {psi:g}, {arm} arm": completion_at(arm, psi) for arm in DECIDING_ARMS for psi in inner}
    means = {
        f"mean P over ψ {low:g} to {high:g}, {arm} arm": mean_completion(arm, low, high) for arm in DECIDING_ARMS for low, high in windows
    }
    return points | means


class Threshold(NamedTuple):
    """A threshold with golds at or below it and concealers above it.

    Attributes:
        threshold: Midway between the largest value of golds and the smallest of concealers over all tasks.
        gap: Smallest concealer minus largest gold; negative where they overlap.
        right, n: Models on the correct side, each task judged by the threshold of the others, of all models.
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
    highest = max(value for value, conceals in values if not conceals)
    lowest = min(value for value, conceals in values if conceals)
    return (highest + lowest) / 2, lowest - highest


def fit_threshold(rows: Sequence[Row], completion: Completion) -> Threshold | None:
    """How well one threshold separates golds from concealers; None: fewer than two tasks have both."""
    kinds = (*FORGETTING_KINDS, *CONCEALING_KINDS)
    tables = {
        task: [(completion(row), row.kind in CONCEALING_KINDS) for row in task_rows if row.kind in kinds and original_rate(row) > 0]
        for task, task_rows in by_task(rows).items()
    }
    tables = {task: table for task, table in tables.items() if len({conceals for _, conceals in table}) == 2}
    if len(tables) < 2:
        return None
    right = 0
    for task, table in tables.items():
        threshold, _ = midway([pair for other, pairs in tables.items() if other != task for pair in pairs])
        right += sum((value > threshold) == conceals for value, conceals in table)
    return Threshold(*midway([pair for table in tables.values() for pair in table]), right, sum(map(len, tables.values())))


def gold_free_thresholds(rows: Sequence[Row]) -> dict[str, Threshold]:
    """Every threshold by name, the best first."""
    measured = [row for row in rows if row.prompt]
    grid = np.unique([psi for row in measured for psi in row.psi]).tolist()
    fits = {name: fit_threshold(measured, completion) for name, completion in completions(grid).items()}
    thresholds = {name: threshold for name, threshold in fits.items() if threshold}
    return dict(sorted(thresholds.items(), key=lambda pair: (-pair[1].right, -pair[1].gap)))
