"""What the golds show at every ψ: their mean and range, computed once a task for all rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Curve

Key = tuple[str, str, str | None, str | None]


@dataclass(frozen=True)
class Band:
    """Mean and range of several curves on one grid."""

    psi: tuple[float, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class Controls:
    """The controls of a board, by curve. A gold is read against the others."""

    def __init__(self, board: ResultTable) -> None:
        self.board = board

    @cached_property
    def _golds(self) -> dict[str, dict[Key, Curve]]:
        return {row.record.submission: {key(curve): curve for curve in row.record.curves} for row in self.board.golds}

    @cached_property
    def _original(self) -> dict[Key, Curve]:
        row = self.board.find("control-original")
        return {key(curve): curve for curve in row.record.curves} if row else {}

    @cached_property
    def _bands(self) -> dict[tuple[Key, str | None], Band | None]:
        return {}

    def band(self, row: ResultRow, curve: Curve) -> Band | None:
        """The golds' band of the same curve, without the row itself; None without golds on the same grid."""
        without = row.record.submission if row.is_gold else None
        place = (key(curve), without)
        if place not in self._bands:
            others = [curves[key(curve)] for name, curves in self._golds.items() if name != without and key(curve) in curves]
            self._bands[place] = band_of([one for one in others if one.psi == curve.psi])
        return self._bands[place]

    def original(self, row: ResultRow, curve: Curve) -> Curve | None:
        """θ's own curve, but not beside itself."""
        return None if row.record.submission == "control-original" else self._original.get(key(curve))


def key(curve: Curve) -> Key:
    """What tells the curves of a record apart."""
    return curve.name, curve.split, curve.arm, curve.extractor


def band_of(curves: list[Curve]) -> Band | None:
    """Mean and range at every ψ where some curve has a value."""
    if not curves:
        return None
    columns = [[value for value in column if value is not None] for column in zip(*(curve.value for curve in curves), strict=True)]
    return Band(
        curves[0].psi,
        tuple(sum(column) / len(column) if column else None for column in columns),
        tuple(min(column, default=None) for column in columns),
        tuple(max(column, default=None) for column in columns),
    )
