"""The figures of a page: presence in both arms, CRS and CCS per extractor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from unconceal.leaderboard.figures import Lines, chart, limits_of
from unconceal.leaderboard.labels import EXTRACTOR_WORDS
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Curve, Record

PRESENCE = {
    ("forget", "prompt"): "Presence, prompt arm",
    ("forget", "empty"): "Presence, empty arm",
    ("retain", "prompt"): "Presence of retained concepts",
}


@dataclass(frozen=True)
class Plate:
    """A figure and its title."""

    title: str
    svg: Markup


def _find(record: Record, like: Curve) -> Curve | None:
    return next((curve for curve in record.curves if _identity(curve) == _identity(like)), None)


def _identity(curve: Curve) -> tuple[str, str, str | None, str | None]:
    return curve.name, curve.split, curve.arm, curve.extractor


def _lines(own: Curve, golds: tuple[ResultRow, ...], original: ResultRow | None) -> Lines:
    found = tuple(curve for gold in golds if (curve := _find(gold.record, own)) is not None)
    return Lines(own, found, _find(original.record, own) if original else None)


def presence_plates(
    record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None, window: tuple[float, float] | None
) -> Iterator[Plate]:
    """One plate per split and arm that was measured; `window`: the range of ψ that makes the excess."""
    for key, title in PRESENCE.items():
        own = next((curve for curve in record.curves if curve.name == "presence" and (curve.split, curve.arm) == key), None)
        if own is not None:
            shade = window if own.split == "forget" else None
            yield Plate(title, chart(_lines(own, golds, original), f"{title} over ψ", (-0.03, 1.03), shade))


def diffusion_plates(record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None) -> Iterator[tuple[Plate, ...]]:
    """One row of plates per score, one plate per extractor, with a common vertical axis."""
    for name, words, at_least in (("crs.signed", "CRS signed", (0.0, 0.0)), ("ccs", "CCS", (0.0, 1.0))):
        found = [_lines(own, golds, original) for own in _by_extractor(record, name)]
        limits = limits_of([curve for lines in found for curve in lines.every], at_least)
        titles = [f"{words}, {EXTRACTOR_WORDS.get(lines.own.extractor or '', lines.own.extractor)}" for lines in found]
        yield tuple(Plate(title, chart(lines, f"{title} over ψ", limits)) for title, lines in zip(titles, found, strict=True))


def _by_extractor(record: Record, name: str) -> list[Curve]:
    return [curve for curve in record.curves if curve.name == name and curve.split == "forget" and curve.extractor and curve.arm != "empty"]
