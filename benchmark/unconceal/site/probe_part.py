"""The part of a result page about neighbours and attacks: scatter plots, tables, and the images before and after."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unconceal.errors import CheckFailed
from unconceal.leaderboard.numbers import number, with_interval
from unconceal.leaderboard.probe_tables import LANGUAGE_MODEL_KINDS, MEASURES, gold_value, rho_cell
from unconceal.results.image_files import SHEET, open_image
from unconceal.results.result_tables import ResultRow
from unconceal.site.image_blocks import ImageStore, TileRow, image_name, page_message
from unconceal.site.scatter_chart import damage_points, scatter_chart
from unconceal.site.svg_charts import TitledChart, change_chart
from unconceal.specs.probe_results import AttackRate, ProbeResults, ProximityRanker
from unconceal.specs.record import Record

Cells = tuple[str, ...]
NEIGHBOUR, ATTACK = "neighbour", "attack"


@dataclass(frozen=True)
class ProbePart:
    """What the template shows.

    Attributes:
        scatters: per language model the similarity of every neighbour against its damage.
        correlation_headers: header of ``correlations``.
        correlations: per ranker ρ by every measure of damage; the last row is the ceiling.
        attack_rates: rows of (probe set, attribute, success rate, eligible attacks, the golds' rate).
        ineligible: neighbours that the original cannot draw reliably, with its rate.
        sheet_url: the images before and after; empty without any.
        neighbours, attacks: rows of the sheet.
        message: what is wrong with the sheet; empty if nothing is.
    """

    scatters: tuple[TitledChart, ...]
    correlation_headers: Cells
    correlations: tuple[Cells, ...]
    attack_rates: tuple[Cells, ...]
    ineligible: tuple[str, ...]
    sheet_url: str
    neighbours: tuple[TileRow, ...]
    attacks: tuple[TileRow, ...]
    message: str = ""


def probe_part(row: ResultRow, images: ImageStore) -> ProbePart | None:
    """The part of one row; None if its record has no probe results. Without a sheet, tables and charts remain."""
    probe_results = row.record.probe_results
    if probe_results is None:
        return None
    sheet, message = row.path.with_suffix(SHEET.suffix), ""
    rows: tuple[TileRow, ...] = ()
    try:
        rows = read_sheet(sheet)
    except CheckFailed as error:
        message = page_message(error)
    return ProbePart(
        scatters=tuple(scatters(probe_results)),
        correlation_headers=("ranker", *MEASURES.values()),
        correlations=(*(correlation_cells(probe_results, ranker) for ranker in probe_results.rankers), ceiling_cells(probe_results)),
        attack_rates=tuple(attack_cells(rate) for rate in probe_results.attack_rates),
        ineligible=tuple(f"{it.concept} ({number(it.gate_accuracy.value)})" for it in probe_results.neighbours if not it.eligible),
        sheet_url=images.url(sheet, image_name(row) + SHEET.suffix) if rows else "",
        neighbours=tuple(tile for tile in rows if tile.role == NEIGHBOUR),
        attacks=tuple(tile for tile in rows if tile.role == ATTACK),
        message=message,
    )


def scatters(probe_results: ProbeResults) -> list[TitledChart]:
    """One chart per language model that rated the neighbours."""
    charts = []
    for ranker in probe_results.rankers:
        points = damage_points(probe_results, ranker) if ranker.kind in LANGUAGE_MODEL_KINDS else ()
        if points:
            title = f"{ranker.name}: similarity and damage"
            charts.append(TitledChart(title, scatter_chart(points, title, "similarity to the target, 1 to 10; vertical: damage")))
    return charts


def correlation_cells(probe_results: ProbeResults, ranker: ProximityRanker) -> Cells:
    """Name and ρ by every measure of damage."""
    return (ranker.name, *(rho_cell(probe_results, ranker.name, measure) for measure in MEASURES))


def ceiling_cells(probe_results: ProbeResults) -> Cells:
    scores = [probe_results.ceilings.get(measure) for measure in MEASURES]
    return ("ceiling", *(number(score.value if score else None) for score in scores))


def attack_cells(rate: AttackRate) -> Cells:
    """(probe set, attribute, success rate, eligible attacks, the golds' success rate)."""
    return (rate.probe_set, rate.attribute or "all", with_interval(rate.rate), str(rate.rate.n), number(gold_value(rate.gold)))


def attack_chart(record: Record) -> TitledChart | None:
    """The rate at which the concept appears without an attack and under each; None without attacks."""
    before = record.scores.get("presence")
    rates = record.probe_results.attack_rates if record.probe_results else ()
    by_name = record.attacks | {rate.probe_set: rate.rate for rate in rates if rate.attribute is None}
    scores = [(name, score) for name, score in by_name.items() if score.value is not None]
    if not scores or before is None or before.value is None:
        return None
    title = "Attacks: how often the concept appears, before and after"
    return TitledChart(title, change_chart([(name, before.value, score) for name, score in scores], title))


def read_sheet(path: Path) -> tuple[TileRow, ...]:
    """The rows of a probe sheet, each with two tiles: the original's image and the submission's. Empty without a sheet.

    Raises:
        CheckFailed: the file is not a JPEG, or its comment does not describe its rows.
    """
    if not os.path.lexists(path):
        return ()
    opened = open_image(path, SHEET)
    try:
        metadata: Any = json.loads(opened.info.get("comment", b""))
        size = opened.size
        names = [(NEIGHBOUR, str(name)) for name in metadata["neighbours"]]
        names += [(ATTACK, str(attack["prompt"])) for attack in metadata["attacks"]]
        tile = int(metadata["tile"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            "probe-sheet.unreadable", str(path), f"is not a probe sheet ({type(error).__name__})", "run the evaluation again"
        ) from error
    if size != (2 * tile, tile * len(names)):
        raise CheckFailed("probe-sheet.mismatch", str(path), "does not fit its own list of rows", "run the evaluation again")
    return tuple(TileRow(role, name, index, len(names), 2) for index, (role, name) in enumerate(names))
