"""Compare the proximity rankers: Spearman's ρ with the measured damage, over tasks and methods, from stored records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import get_args

import numpy as np

from unconceal.metrics.rank_correlation import RankerComparison, common_concepts, compare_rankers, spearman, task_mean
from unconceal.metrics.statistics import FloatArray, Interval, mean_interval
from unconceal.specs.probe_results import Measure, ProbeResults, ProximityRanker, RankerKind
from unconceal.specs.record import Record
from unconceal.specs.submission import is_control_name

MEASURES: tuple[Measure, ...] = get_args(Measure)
RANDOM = "random order"
MIN_NEIGHBOURS = 8
"""Minimum number of neighbours for a ρ in this report; independent of the suite's own minimum."""


@dataclass(frozen=True)
class ProbeGrid:
    """Probe results by task and method. Controls are excluded.

    Attributes:
        cells: probe results by (task, method); pairs without a record are absent.
    """

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    cells: dict[tuple[str, str], ProbeResults]

    @property
    def rankers(self) -> dict[str, RankerKind]:
        """Kinds of all rankers that have proximities, by name. Probe sets come first."""
        kind_rank = {kind: index for index, kind in enumerate(get_args(RankerKind))}
        kinds = {ranker.name: ranker.kind for results in self.cells.values() for ranker in results.rankers if ranker.proximity}
        return dict(sorted(kinds.items(), key=lambda item: (kind_rank[item[1]], item[0])))

    def rho(self, ranker: str, measure: Measure, paired_with: str | None = None) -> FloatArray:
        """Spearman's ρ of one ranker in every cell.

        Args:
            ranker: name of the ranker.
            measure: measure of damage.
            paired_with: another ranker; only neighbours that both rank are used.

        Returns:
            (tasks, methods) in [−1, 1]; NaN where ρ is not available.
        """
        table = np.full((len(self.tasks), len(self.methods)), np.nan)
        for (task, method), results in self.cells.items():
            rho = ranker_rho(results, ranker, measure, paired_with)
            if rho is not None:
                table[self.tasks.index(task), self.methods.index(method)] = rho
        return table


def probe_grid(records: Iterable[Record]) -> ProbeGrid:
    """Arrange records of one suite version and tier in a grid. Records without probe results and controls are skipped."""
    with_probes = [record for record in records if record.probe_results and not is_control_name(record.submission)]
    cells = {(record.task, record.submission): record.probe_results for record in with_probes if record.probe_results}
    return ProbeGrid(tuple(sorted({task for task, _ in cells})), tuple(sorted({method for _, method in cells})), cells)


def ranker_rho(results: ProbeResults, ranker: str, measure: Measure, paired_with: str | None = None) -> float | None:
    """Spearman's ρ of a ranker's proximity and the damage over eligible neighbours.

    Args:
        results: probe results of one submission on one task.
        ranker: name of the ranker.
        measure: measure of damage.
        paired_with: another ranker; only neighbours that both rank are used.

    Returns:
        ρ in [−1, 1]; None if a ranker is missing or fewer than ``MIN_NEIGHBOURS`` neighbours remain.
    """
    selected, reference = find_ranker(results, ranker), find_ranker(results, paired_with or ranker)
    if selected is None or reference is None:
        return None
    damage = {neighbour.concept: neighbour.damage[measure].value for neighbour in results.neighbours if neighbour.eligible}
    values = {concept: value for concept, value in damage.items() if value is not None}
    shared = common_concepts(tuple(values), tuple(selected.proximity), tuple(reference.proximity))
    if len(shared) < MIN_NEIGHBOURS:
        return None
    return spearman([selected.proximity[concept] for concept in shared], [values[concept] for concept in shared])


def find_ranker(results: ProbeResults, name: str) -> ProximityRanker | None:
    return next((ranker for ranker in results.rankers if ranker.name == name), None)


@dataclass(frozen=True)
class RankingResult:
    """Agreement of one ranker with one measure of damage.

    Attributes:
        mean: mean of ``by_task``; None if no task has a ρ.
        interval: 95 % t interval over tasks; None below two tasks.
        by_task: ρ per task, averaged over methods; NaN if not available.
    """

    ranker: str
    measure: Measure
    mean: float | None
    interval: Interval | None
    by_task: tuple[float, ...]


def ranking_result(grid: ProbeGrid, ranker: str, measure: Measure) -> RankingResult:
    """Average ρ of a ranker over methods, then over tasks."""
    by_task = np.array([task_mean(row[None]) for row in grid.rho(ranker, measure)])
    defined = by_task[np.isfinite(by_task)]
    interval = mean_interval(defined) if len(defined) > 1 else None
    return RankingResult(ranker, measure, float(defined.mean()) if len(defined) else None, interval, tuple(map(float, by_task)))


@dataclass(frozen=True)
class RankerPairComparison:
    """Mean of ρ(first) − ρ(second) on the neighbours that both rank.

    Attributes:
        comparison: None if the two rankers share no cell.
    """

    first: str
    second: str
    measure: Measure
    comparison: RankerComparison | None


def compare_all(grid: ProbeGrid, measures: Sequence[Measure] = MEASURES) -> tuple[RankerPairComparison, ...]:
    """Compare every pair of rankers on every measure, and each ranker with random order, whose expected ρ is 0."""
    pairs = [*combinations(grid.rankers, 2), *((ranker, RANDOM) for ranker in grid.rankers)]
    return tuple(compare(grid, first, second, measure) for measure in measures for first, second in pairs)


def compare(grid: ProbeGrid, first: str, second: str, measure: Measure) -> RankerPairComparison:
    """Compare two rankers on one measure."""
    if second == RANDOM:
        rho = grid.rho(first, measure)
        return RankerPairComparison(first, second, measure, compare_rankers(rho, np.zeros_like(rho)))
    comparison = compare_rankers(grid.rho(first, measure, second), grid.rho(second, measure, first))
    return RankerPairComparison(first, second, measure, comparison)
