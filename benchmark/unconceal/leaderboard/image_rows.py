"""The pictures of a page: for each prompt, seed and arm (or x̂0) one row of tiles per model."""

from __future__ import annotations

from dataclasses import dataclass

from unconceal.errors import CheckFailed
from unconceal.leaderboard.strips import ROWS, Strip, read_strip
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Record


@dataclass(frozen=True)
class StripRow:
    """One model's row of tiles. `role`: original, gold or own."""

    role: str
    name: str
    source: str


@dataclass(frozen=True)
class StripBlock:
    """The rows of every model for one prompt, seed and arm."""

    prompt: str
    seed: int
    arm: str
    rows: tuple[StripRow, ...]


def columns(record: Record) -> tuple[float, ...]:
    """ψ of the strip's columns: those of the forget prompts' presence curve."""
    return next((curve.psi for curve in record.curves if curve.name == "presence" and curve.split == "forget"), ())


def picture_blocks(row: ResultRow, golds: tuple[ResultRow, ...], original: ResultRow | None) -> tuple[tuple[StripBlock, ...], str]:
    """The picture rows, prompt by prompt and arm by arm; and what to tell the reader if there are none."""
    models = [("original", original), *(("gold", gold) for gold in golds[:1]), ("own", row)]
    try:
        strips = [(role, model, read_strip(model.strip, len(columns(model.record)))) for role, model in models if model]
    except CheckFailed as error:
        return (), str(error)
    own = strips[-1][2]
    if own is None:
        return (), ""
    shown = [(role, model, strip) for role, model, strip in strips if strip is not None and columns(model.record) == columns(row.record)]
    pairs = zip(own.prompts, own.seeds, strict=True)
    return tuple(_block(prompt, seed, arm, shown) for prompt, seed in pairs for arm in ROWS), ""


def _block(prompt: str, seed: int, arm: str, shown: list[tuple[str, ResultRow, Strip]]) -> StripBlock:
    rows = []
    for role, model, strip in shown:
        place = strip.find(prompt, seed)
        if place is not None:
            rows.append(StripRow("original" if arm == "clean" else role, model.record.submission, strip.row(place, arm)))
    # x̂0 is θ's own, the same under every model: one row says it.
    return StripBlock(prompt, seed, arm, tuple(rows[:1] if arm == "clean" else rows))
