"""The tables of a page: each score beside the golds' and the original's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unconceal.leaderboard import extractor_scores, labels
from unconceal.leaderboard.labels import ScoreName
from unconceal.leaderboard.numbers import NOTHING, is_number, number, span, with_interval
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Record, Score

SHOWN_BY_CONTROLS = ("presence.gold", "presence.original")


@dataclass(frozen=True)
class ScoreRow:
    """One line of a table, as text. `own`: one cell, or the mean over extractors and one each."""

    words: str
    better: str
    own: tuple[str, ...]
    golds: str
    original: str
    n: str
    note: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """A table and what its own columns are."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    note: str = ""


def score_tables(record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None, least_auc: float) -> tuple[ScoreTable, ...]:
    """The tables that have rows. `least_auc`: the lower bound below which an extractor's numbers are marked."""
    headline = tuple(name for name in labels.HEADLINE if not (golds and original and name.key in SHOWN_BY_CONTROLS))
    tables = (
        _plain("Retrieval and presence", headline, record, golds, original),
        _by_extractor("CCS and CRS on forget prompts", "forget", record, golds, original, least_auc),
        _by_extractor("CCS and CRS on retain prompts", "retain", record, golds, original, least_auc),
        _plain("Traditional metrics", labels.TRADITIONAL, record, golds, original),
    )
    return tuple(table for table in tables if table.rows)


def _plain(
    title: str, names: tuple[ScoreName, ...], record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None
) -> ScoreTable:
    rows = tuple(_row(name, record.scores[name.key], golds, original) for name in names if name.key in record.scores)
    return ScoreTable(title, ("this submission",), rows)


def _row(name: ScoreName, score: Score, golds: tuple[ResultRow, ...], original: ResultRow | None) -> ScoreRow:
    nothing = "none" if name.key.startswith("psi_star") else NOTHING
    own = with_interval(score, name.digits) if is_number(score.value) else nothing
    of_golds = span(list(_values(gold.record.scores.get(name.key) for gold in golds)), name.digits)
    of_original = next(_values([original.record.scores.get(name.key)]), None) if original else None
    return ScoreRow(name.words, name.better, (own,), of_golds, number(of_original, name.digits), str(score.n), score.note)


def _by_extractor(
    title: str, split: str, record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None, least_auc: float
) -> ScoreTable:
    """One column per extractor; golds and original by their mean over extractors."""
    names, unfit = extractor_scores.names(record, split), extractor_scores.inseparable(record, least_auc, split)
    rows = []
    for family in labels.DIFFUSION:
        mean = extractor_scores.mean_score(record, family.key, split)
        if mean is None:
            continue
        scores = [record.scores.get(f"{family.key}.{split}.{name}") for name in names]
        own = (with_interval(mean), *(with_interval(score) for score in scores))
        of_golds = span(list(_values(extractor_scores.mean_score(gold.record, family.key, split) for gold in golds)))
        of_original = next(_values([extractor_scores.mean_score(original.record, family.key, split)]), None) if original else None
        better = family.better if split == "forget" else ""
        rows.append(ScoreRow(family.words, better, own, of_golds, number(of_original), str(mean.n)))
    heads = ("mean", *(labels.EXTRACTOR_WORDS.get(name, name) + (" †" if name in unfit else "") for name in names))
    note = "† Not separable: this classifier can't tell the original's pictures from the submission's." if unfit else ""
    good = " On retain prompts that is the good outcome." if unfit and split == "retain" else ""
    return ScoreTable(title, heads, tuple(rows), note + good)


def _values(scores: Iterator[Score | None] | list[Score | None]) -> Iterator[float]:
    return (score.value for score in scores if score is not None and score.value is not None and is_number(score.value))


def damage_rows(record: Record) -> tuple[tuple[str, str, str], ...]:
    """(retained concept, fall with interval, n), the worst first."""
    falls = sorted(record.damage.items(), key=lambda item: -(item[1].value if item[1].value is not None else float("-inf")))
    return tuple((concept, with_interval(score), str(score.n)) for concept, score in falls)
