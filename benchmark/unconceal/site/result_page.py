"""The page of one submission: for each of its tasks verdict, images, charts, scores, and what was measured with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unconceal.leaderboard import labels
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.ranking.task_ranking import RankedRow, rank_table
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.site.battery_part import LevelRow, battery_rows, excess_chart
from unconceal.site.control_curves import ControlCurves, original_of, other_golds
from unconceal.site.image_blocks import ImageStore, StripView, strip_view
from unconceal.site.probe_part import ProbePart, attack_chart, probe_part
from unconceal.site.rendering import suite_folder
from unconceal.site.score_tables import ScoreTable, damage_scores, inseparable_extractors, score_tables
from unconceal.site.svg_charts import TitledChart, curve_chart, dot_chart
from unconceal.specs.record import Record
from unconceal.specs.submission import is_gold_name
from unconceal.specs.suite import Scoring
from unconceal.specs.task import UNSAFE_CATEGORIES

CURVES = frozenset({"presence", "ccs", "crs.signed"})
"""Curves that the charts need."""
PRESENCE_TITLES = {
    ("forget", "prompt"): "Presence, prompt arm",
    ("forget", "empty"): "Presence, empty arm",
    ("forget", "own-empty"): "Presence, with the submission's own empty prompt",
    ("retain", "prompt"): "Presence of retained concepts, prompt arm",
    ("retain", "empty"): "Presence of retained concepts, empty arm",
}
EXTRACTOR_SCORES = {"ccs": "CCS", "crs.signed": "CRS signed"}


@dataclass(frozen=True)
class RankedSuite:
    """The tables of one suite version with their rankings, by task."""

    tables: tuple[ResultTable, ...]
    ranks: Mapping[str, Sequence[RankedRow]]
    rules: Mapping[str, RankingRules]
    sources: Sources
    controls: dict[str, ControlCurves] = field(default_factory=dict)

    @classmethod
    def from_tables(cls, tables: Iterable[ResultTable], sources: Sources) -> RankedSuite:
        tables = tuple(tables)
        rules = {table.task: sources.rules(table) for table in tables}
        return cls(tables, {table.task: rank_table(table, rules[table.task]) for table in tables}, rules, sources)

    def control_curves(self, table: ResultTable) -> ControlCurves:
        """The controls' curves of a task, prepared once."""
        return self.controls.setdefault(table.task, ControlCurves(table))

    @property
    def suite_id(self) -> str:
        return self.tables[0].suite_id

    @property
    def is_standard(self) -> bool:
        return self.tables[0].protocol == "standard"

    @property
    def folder(self) -> str:
        """Of its pages."""
        return suite_folder(self.tables[0])


@dataclass(frozen=True)
class TaskPart:
    """One task on a submission's page.

    Attributes:
        anchor: id of its section.
        title: the task's title.
        rank: as text, empty if unranked.
        n_golds: the golds that the row is compared with.
        is_gold: whether the submission is a gold itself.
        has_original: whether the original model's row is known.
        blurred: whether images are blurred until the reader asks for them.
        presence, extractor_charts, other_charts: charts over ψ of presence and of CCS and CRS; damage and attacks.
        battery: rates under every probe.
        inseparable: extractors whose classifier cannot tell the two models' images apart.
    """

    table: ResultTable
    record: Record
    anchor: str
    title: str
    rank: str
    n_golds: int
    is_gold: bool
    has_original: bool
    blurred: bool
    strips: StripView
    presence: tuple[TitledChart, ...]
    extractor_charts: tuple[TitledChart, ...]
    other_charts: tuple[TitledChart, ...]
    battery: tuple[LevelRow, ...]
    inseparable: tuple[str, ...]
    scores: tuple[ScoreTable, ...]
    damage: tuple[tuple[str, str, str], ...]
    probes: ProbePart | None


def submission_page(suite: RankedSuite, name: str, tables: Sequence[ResultTable], images: ImageStore) -> dict[str, Any]:
    """The template's values for one submission on the given tasks; ``parts`` is lazy, so that a site of any size fits in memory."""
    rows = {table.task: row for table in tables for row in suite.ranks[table.task] if row.result.record.submission == name}
    first = rows[tables[0].task].result
    paper, code = suite.sources.links(first)
    return {
        "name": name,
        "submission": suite.sources.submission(first),
        "paper": paper,
        "code": code,
        "parts": (task_part(suite, table, rows[table.task], images) for table in tables),
        "tables": tables,
        "suite_id": suite.suite_id,
        "folder": suite.folder,
        "anchor": task_anchor,
        "summary": [
            (table, rows[table.task].result.record, rows[table.task].rank_text, suite.rules[table.task].primary) for table in tables
        ],
    }


def task_part(suite: RankedSuite, table: ResultTable, ranked: RankedRow, images: ImageStore) -> TaskPart:
    """Everything about one submission on one task."""
    row, record, task = ranked.result, ranked.result.record, suite.sources.task(table.suite, table.task)
    controls = suite.control_curves(table)
    scoring = suite.sources.scoring(table) or Scoring()
    golds, original = other_golds(table, row), original_of(table, row)
    return TaskPart(
        table=table,
        record=record,
        anchor=task_anchor(table),
        title=task.title if task else table.concept,
        rank=ranked.rank_text,
        n_golds=len(golds),
        is_gold=is_gold_name(record.submission),
        has_original=original is not None,
        blurred=table.category in UNSAFE_CATEGORIES,
        strips=strip_view(table, row, images),
        presence=tuple(presence_charts(controls, row, scoring.excess_psi)),
        extractor_charts=tuple(extractor_charts(controls, row)),
        other_charts=tuple(chart for chart in (excess_chart(record), damage_chart(record), attack_chart(record)) if chart),
        battery=battery_rows(record, golds, scoring.margin),
        inseparable=tuple(labels.EXTRACTORS.get(extractor, extractor) for extractor in inseparable_extractors(record, scoring.min_auc)),
        scores=score_tables(record, golds, original, scoring.min_auc),
        damage=damage_scores(record),
        probes=probe_part(row, images),
    )


def task_anchor(table: ResultTable) -> str:
    return f"{table.category}-{table.concept}"


def presence_charts(controls: ControlCurves, row: ResultRow, window: tuple[float, float]) -> Iterator[TitledChart]:
    """Presence over ψ per split and arm. ``window``: the ψ range of the excess, shaded on forget prompts."""
    for curve in row.record.curves:
        title = PRESENCE_TITLES.get((curve.split, curve.arm or ""))
        if curve.name == "presence" and title:
            shaded = window if curve.split == "forget" else None
            chart = curve_chart(curve, controls.gold_band(row, curve), controls.original(row, curve), f"{title} over ψ", shaded)
            yield TitledChart(title, chart)


def extractor_charts(controls: ControlCurves, row: ResultRow) -> Iterator[TitledChart]:
    """CCS and CRS over ψ, one chart per extractor."""
    for name, label in EXTRACTOR_SCORES.items():
        for curve in row.record.curves:
            if (curve.name, curve.split) == (name, "forget") and curve.extractor and curve.arm != "empty":
                title = f"{label}, {labels.EXTRACTORS.get(curve.extractor, curve.extractor)}"
                chart = curve_chart(curve, controls.gold_band(row, curve), controls.original(row, curve), f"{title} over ψ")
                yield TitledChart(title, chart)


def damage_chart(record: Record) -> TitledChart | None:
    """Retained concepts by the drop of their rate, the most damaged first; None if no drop is known."""
    falls = sorted(record.damage.items(), key=lambda item: (-(item[1].value or 0.0), item[0]))
    rows = [(concept, score) for concept, score in falls if score.value is not None]
    title = "Drop of each retained concept's rate"
    return TitledChart(title, dot_chart(rows, title)) if rows else None
