"""Who orders neighbours best: ρ of every orderer over tasks and methods, from records alone."""

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
RANDOM = "random order"
LEAST = 8
"""Fewer neighbours give no ρ here, whatever the suite says."""


@dataclass(frozen=True)
class Field:
    """Records of submissions that were probed, as a grid; controls stand aside, since what they lose says nothing of a method."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    cells: dict[tuple[str, str], ProbeResults]

    @property
    def orderers(self) -> dict[str, RankerKind]:
        """Every orderer that orders by something, probe sets first."""
        kind_rank = {kind: number for number, kind in enumerate(get_args(RankerKind))}
        kinds = {orderer.name: orderer.kind for probed in self.cells.values() for orderer in probed.rankers if orderer.proximity}
        return dict(sorted(kinds.items(), key=lambda item: (kind_rank[item[1]], item[0])))

    def grid(self, orderer: str, measure: Measure, beside: str | None = None) -> FloatArray:
        """ρ (tasks, methods) of one orderer, NaN where there is none; with ``beside``, on the neighbours that both name."""
        table = np.full((len(self.tasks), len(self.methods)), np.nan)
        for (task, method), probed in self.cells.items():
            rho = rho_of(probed, orderer, measure, beside)
            if rho is not None:
                table[self.tasks.index(task), self.methods.index(method)] = rho
        return table


def field_of(records: Iterable[Record]) -> Field:
    """The grid of some records of one suite version and tier."""
    with_probes = [record for record in records if record.probe_results and not is_control_name(record.submission)]
    cells = {(record.task, record.submission): record.probe_results for record in with_probes if record.probe_results}
    return Field(tuple(sorted({task for task, _ in cells})), tuple(sorted({method for _, method in cells})), cells)


def rho_of(probed: ProbeResults, orderer: str, measure: Measure, beside: str | None = None) -> float | None:
    """Spearman's ρ over the eligible neighbours with a damage that the orderer, and the one beside it, name."""
    ranker, reference = named(probed, orderer), named(probed, beside or orderer)
    if ranker is None or reference is None:
        return None
    damage = {neighbour.concept: neighbour.damage[measure].value for neighbour in probed.neighbours if neighbour.eligible}
    values = {concept: value for concept, value in damage.items() if value is not None}
    shared = common_concepts(tuple(values), tuple(ranker.proximity), tuple(reference.proximity))
    if len(shared) < LEAST:
        return None
    return spearman([ranker.proximity[concept] for concept in shared], [values[concept] for concept in shared])


def named(probed: ProbeResults, orderer: str) -> ProximityRanker | None:
    return next((ranker for ranker in probed.rankers if ranker.name == orderer), None)


@dataclass(frozen=True)
class Standing:
    """One orderer by one measure: mean of the tasks' ρ (each a mean over methods), its 95 % interval over tasks, and the tasks' own."""

    orderer: str
    measure: Measure
    mean: float | None
    interval: Interval | None
    by_task: tuple[float, ...]


def standing(field: Field, orderer: str, measure: Measure) -> Standing:
    """t interval over tasks; None below two tasks."""
    by_task = np.array([task_mean(row[None]) for row in field.grid(orderer, measure)])
    defined = by_task[np.isfinite(by_task)]
    interval = mean_interval(defined) if len(defined) > 1 else None
    return Standing(orderer, measure, float(defined.mean()) if len(defined) else None, interval, tuple(map(float, by_task)))


@dataclass(frozen=True)
class PairedComparison:
    """Two orderers on the same neighbours: mean of ρ(one) − ρ(other)."""

    first: str
    second: str
    measure: Measure
    comparison: RankerComparison | None


def compare_all(field: Field, measures: Sequence[Measure] = MEASURES) -> tuple[PairedComparison, ...]:
    """Every pair of orderers by every measure, and each against random order, whose ρ is 0 on average."""
    pairs = [*combinations(field.orderers, 2), *((orderer, RANDOM) for orderer in field.orderers)]
    return tuple(compare(field, one, other, measure) for measure in measures for one, other in pairs)


def compare(field: Field, first: str, second: str, measure: Measure) -> PairedComparison:
    """One pair by one measure."""
    if second == RANDOM:
        grid = field.grid(first, measure)
        return PairedComparison(first, second, measure, compare_rankers(grid, np.zeros_like(grid)))
    return PairedComparison(first, second, measure, compare_rankers(field.grid(first, measure, second), field.grid(second, measure, first)))
