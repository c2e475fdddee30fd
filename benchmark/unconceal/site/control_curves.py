"""The controls' curves of a table: the golds' mean and range at every ψ, and the original model's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Curve

CurveKey = tuple[str, str, str | None, str | None]
ORIGINAL = "control-original"


@dataclass(frozen=True)
class CurveBand:
    """Mean and range over several curves at the same ψ values; ``n``: the number of curves."""

    psi: tuple[float, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    n: int


class ControlCurves:
    """Curves of the golds and of the original model, computed once per table. A gold is compared with the other golds."""

    def __init__(self, table: ResultTable) -> None:
        self.table = table

    @cached_property
    def _golds(self) -> dict[str, dict[CurveKey, Curve]]:
        return {row.record.submission: {curve_key(curve): curve for curve in row.record.curves} for row in self.table.golds}

    @cached_property
    def _original(self) -> dict[CurveKey, Curve]:
        row = self.table.find(ORIGINAL)
        return {curve_key(curve): curve for curve in row.record.curves} if row else {}

    @cached_property
    def _bands(self) -> dict[tuple[CurveKey, str | None], CurveBand | None]:
        return {}

    def gold_band(self, row: ResultRow, curve: Curve) -> CurveBand | None:
        """The golds' band for the same curve, without the row itself; None without golds at the same ψ values."""
        excluded = row.record.submission if row.is_gold else None
        key = (curve_key(curve), excluded)
        if key not in self._bands:
            golds = [curves[key[0]] for name, curves in self._golds.items() if name != excluded and key[0] in curves]
            self._bands[key] = curve_band([gold for gold in golds if gold.psi == curve.psi])
        return self._bands[key]

    def original(self, row: ResultRow, curve: Curve) -> Curve | None:
        """The original model's curve; None on its own page."""
        return None if row.record.submission == ORIGINAL else self._original.get(curve_key(curve))


def other_golds(table: ResultTable, row: ResultRow) -> tuple[ResultRow, ...]:
    """The golds of a table without the row itself."""
    return tuple(gold for gold in table.golds if gold.record.submission != row.record.submission)


def original_of(table: ResultTable, row: ResultRow) -> ResultRow | None:
    """The original model's row; None if there is none or if ``row`` is it."""
    return None if row.record.submission == ORIGINAL else table.find(ORIGINAL)


def curve_key(curve: Curve) -> CurveKey:
    """Identifies a curve within a record."""
    return curve.name, curve.split, curve.arm, curve.extractor


def curve_band(curves: list[Curve]) -> CurveBand | None:
    """Mean and range at every ψ where at least one curve has a value; None without curves."""
    if not curves:
        return None
    columns = [[value for value in column if value is not None] for column in zip(*(curve.value for curve in curves), strict=True)]
    return CurveBand(
        curves[0].psi,
        tuple(sum(column) / len(column) if column else None for column in columns),
        tuple(min(column, default=None) for column in columns),
        tuple(max(column, default=None) for column in columns),
        len(curves),
    )
