"""What each page of the site shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from unconceal.leaderboard import labels
from unconceal.leaderboard.extractor_scores import mean_score
from unconceal.leaderboard.image_rows import columns
from unconceal.leaderboard.numbers import is_number
from unconceal.leaderboard.report import BLURRED
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.ranking_rules import Rules
from unconceal.ranking.task_ranking import RankedRow
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.site.bands import Controls
from unconceal.site.damage_scatter import damage_marks, damage_order, orderer_of
from unconceal.site.image_strips import Block, Strip, blocks, copy_strip
from unconceal.site.site_tables import Cell, Table, TableRow, outcome, score_cell, status
from unconceal.site.svg_charts import bars, curve_chart, dots, scatter
from unconceal.specs.record import Record

CURVES = frozenset({"presence", "ccs", "crs.signed"})
PRESENCE = {
    ("forget", "prompt"): "Presence, prompt arm",
    ("forget", "empty"): "Presence, empty arm",
    ("retain", "prompt"): "Presence of retained concepts",
}
FAMILIES = {"ccs": "CCS", "crs.signed": "CRS signed"}
TASK_COLUMNS = {name.key: f"{name.words} {name.better}".strip() for name in labels.HEADLINE if not name.key.startswith("presence.")}


@dataclass(frozen=True)
class Plate:
    """A chart and its title."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class TaskPart:
    """One task on a submission's page."""

    board: ResultTable
    title: str
    record: Record
    rank: str
    blurred: bool
    psi: tuple[float, ...]
    blocks: tuple[Block, ...]
    strip: Strip | None
    plates: tuple[Plate, ...]
    more_plates: tuple[Plate, ...]
    damage: Plate | None
    attacks: Plate | None
    scores: tuple[tuple[str, str], ...]


@dataclass
class Shelf:
    """What all pages of one suite version draw from; strips are copied when they are first asked for."""

    boards: tuple[ResultTable, ...]
    ranks: Mapping[str, Sequence[RankedRow]]
    rules: Mapping[str, Rules]
    sources: Sources
    out: Path
    controls: dict[str, Controls] = field(default_factory=dict)
    strips: dict[Path, Strip | None] = field(default_factory=dict)

    def controls_of(self, board: ResultTable) -> Controls:
        """The task's controls, prepared once."""
        return self.controls.setdefault(board.task, Controls(board))

    def strip_of(self, row: ResultRow) -> Strip | None:
        """The row's strip, copied once."""
        if row.path not in self.strips:
            self.strips[row.path] = copy_strip(row, self.out)
        return self.strips[row.path]


def task_part(shelf: Shelf, board: ResultTable, row: RankedRow) -> TaskPart:
    """Everything about one submission on one task."""
    stored, record, task = row.stored, row.stored.record, shelf.sources.task(board.suite, board.task)
    plates = presence_plates(shelf, board, stored)
    more = [plate for name, words in FAMILIES.items() for plate in extractor_plates(shelf, board, stored, name, words)]
    return TaskPart(
        board,
        task.title if task else board.concept,
        record,
        row.written,
        board.category in BLURRED,
        columns(record),
        blocks(stored, models(shelf, board, stored)),
        shelf.strip_of(stored),
        tuple(plates),
        tuple(more),
        damage_plate(record),
        attack_plate(record),
        score_list(record),
    )


def models(shelf: Shelf, board: ResultTable, own: ResultRow) -> list[tuple[str, ResultRow, Strip]]:
    """The original, a gold and the row itself, of those that have pictures."""
    golds = [gold for gold in board.golds if gold.record.submission != own.record.submission][:1]
    original = board.find("control-original") if own.record.submission != "control-original" else None
    asked = [("original", original), *(("gold", gold) for gold in golds), ("own", own)]
    return [(role, row, strip) for role, row in asked if row is not None and (strip := shelf.strip_of(row)) is not None]


def presence_plates(shelf: Shelf, board: ResultTable, row: ResultRow) -> list[Plate]:
    """How often the concept is seen, in both arms, and how often the others are."""
    window, controls, plates = shelf.rules[board.task].window, shelf.controls_of(board), []
    for curve in row.record.curves:
        title = PRESENCE.get((curve.split, curve.arm or ""))
        if curve.name == "presence" and title:
            shade = window if curve.split == "forget" else None
            plates.append(Plate(title, curve_chart(curve, controls.band(row, curve), controls.original(row, curve), title, shade)))
    return plates


def extractor_plates(shelf: Shelf, board: ResultTable, row: ResultRow, name: str, words: str) -> list[Plate]:
    """One score of the classifiers, an extractor each."""
    controls, plates = shelf.controls_of(board), []
    for curve in row.record.curves:
        if (curve.name, curve.split) == (name, "forget"):
            title = f"{words}, {labels.EXTRACTOR_WORDS.get(curve.extractor or '', curve.extractor)}"
            plates.append(Plate(title, curve_chart(curve, controls.band(row, curve), controls.original(row, curve), title)))
    return plates


def damage_plate(record: Record) -> Plate | None:
    """Neighbours by how near a language model says they are and how damaged they are; without one, retained concepts by their fall."""
    orderer = orderer_of(record.probed) if record.probed else None
    if record.probed and orderer and (marks := damage_marks(record.probed, orderer)):
        title = "Neighbours: similarity, and fall of the CLIP similarity"
        return Plate(title, scatter(marks, title, f"similarity 1–10, {orderer.name}"))
    rows = damage_order(record.damage)
    title = "Fall of each retained concept's rate"
    return Plate(title, dots(rows, title)) if rows else None


def attack_plate(record: Record) -> Plate | None:
    """What attacks bring back, from the rate without any."""
    before = record.scores.get("presence")
    rates = [(one.probes, one.rate) for one in record.probed.attack_rates if one.attribute is None] if record.probed else []
    known = [(name, score) for name, score in (*record.attacks.items(), *rates) if score.value is not None]
    if not known or before is None or before.value is None:
        return None
    title = "Attacks: how often the concept is shown, before and after"
    return Plate(title, bars([(name, before.value, score) for name, score in known], title))


def score_list(record: Record) -> tuple[tuple[str, str], ...]:
    """Every score of the tables of a report, by its words."""
    found = [
        (name.words, score_cell(record.scores.get(name.key), name.digits).text)
        for name in (*labels.HEADLINE, *labels.TRADITIONAL)
        if name.key in record.scores
    ]
    for family in labels.DIFFUSION:
        mean = mean_score(record, family.key, "forget")
        if mean is not None and is_number(mean.value):
            found.append((f"{family.words}, mean over extractors", score_cell(mean).text))
    return tuple(found)


def task_table(shelf: Shelf, board: ResultTable) -> Table:
    """Every row of one task with its headline scores."""
    primary = shelf.rules[board.task].primary
    rows = []
    for row in shelf.ranks[board.task]:
        record = row.stored.record
        cells = (outcome(row, primary), *(score_cell(record.scores.get(key)) for key in TASK_COLUMNS if key != primary))
        kind = "control" if row.stored.is_control else "method"
        rank = Cell(row.written, sum(row.rank) / 2 if row.rank else None)
        rows.append(TableRow(record.submission, rank, cells, record.verdict.label, kind, False, status([row.stored])))
    heads = (f"{primary} ↓", *(words for key, words in TASK_COLUMNS.items() if key != primary))
    return Table(board.concept, "rows", heads, tuple(rows))
