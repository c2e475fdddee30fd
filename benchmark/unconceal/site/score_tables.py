"""The score tables of a result page: every score beside the golds' and the original model's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unconceal.leaderboard import labels
from unconceal.leaderboard.labels import ScoreName
from unconceal.leaderboard.numbers import NO_VALUE, is_number, mean_and_range, number, with_interval
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Record, Score

CONTROL_SCORES = ("presence.gold", "presence.original")
"""Left out where the columns of golds and original show the same."""


@dataclass(frozen=True)
class ScoreRow:
    """One line of a table, as text. ``values``: one cell, or the mean over extractors and one cell each."""

    label: str
    direction: str
    values: tuple[str, ...]
    golds: str
    original: str
    n: str
    note: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """A table; ``columns``: headers of ``ScoreRow.values``."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    note: str = ""


@dataclass(frozen=True)
class ComparedRecords:
    """A submission's record and the controls that it is compared with."""

    record: Record
    golds: tuple[ResultRow, ...]
    original: ResultRow | None


def score_tables(record: Record, golds: tuple[ResultRow, ...], original: ResultRow | None, min_auc: float) -> tuple[ScoreTable, ...]:
    """The tables that have rows.

    Args:
        record: the submission's record.
        golds: the golds' rows.
        original: the original model's row.
        min_auc: extractors whose AUC has a lower bound below this are marked.
    """
    records = ComparedRecords(record, golds, original)
    headline = tuple(name for name in labels.HEADLINE if not (golds and original and name.key in CONTROL_SCORES))
    tables = (
        _plain_table("Retrieval and presence", headline, records),
        _extractor_table("CCS and CRS on forget prompts", "forget", records, min_auc),
        _extractor_table("CCS and CRS on retain prompts", "retain", records, min_auc),
        _plain_table("Traditional metrics", labels.TRADITIONAL, records),
    )
    return tuple(table for table in tables if table.rows)


def damage_scores(record: Record) -> tuple[tuple[str, str, str], ...]:
    """(retained concept, drop with confidence interval, n), the most damaged first."""
    falls = sorted(record.damage.items(), key=lambda item: -(item[1].value if item[1].value is not None else float("-inf")))
    return tuple((concept, with_interval(score), str(score.n)) for concept, score in falls)


def extractors(record: Record, split: str) -> tuple[str, ...]:
    """The extractors of a record, in the record's order."""
    names = (key.removeprefix(f"auc.{split}.") for key in record.scores if key.startswith(f"auc.{split}."))
    return tuple(name for name in names if name != "mean")


def mean_score(record: Record, family: str, split: str) -> Score | None:
    """The mean over extractors; where the record has none (AUC), that of the values, without an interval."""
    stored = record.scores.get(f"{family}.{split}.mean")
    if stored is not None:
        return stored
    scores = [score for name in extractors(record, split) if (score := record.scores.get(f"{family}.{split}.{name}"))]
    values = _values(scores)
    return Score(value=sum(values) / len(values), n=max(score.n for score in scores)) if values else None


def inseparable_extractors(record: Record, min_auc: float, split: str = "forget") -> tuple[str, ...]:
    """Extractors whose classifier cannot tell the original's images from the submission's: AUC with a lower bound below ``min_auc``."""
    scores = {name: record.scores[f"auc.{split}.{name}"] for name in extractors(record, split)}
    return tuple(name for name, score in scores.items() if score.low is None or score.low < min_auc)


def _plain_table(title: str, names: tuple[ScoreName, ...], records: ComparedRecords) -> ScoreTable:
    rows = tuple(_plain_row(name, records) for name in names if name.key in records.record.scores)
    return ScoreTable(title, ("this submission",), rows)


def _plain_row(name: ScoreName, records: ComparedRecords) -> ScoreRow:
    score = records.record.scores[name.key]
    missing = "none" if name.key.startswith("psi_star") else NO_VALUE
    value = with_interval(score, name.decimals) if is_number(score.value) else missing
    golds = mean_and_range(_values(gold.record.scores.get(name.key) for gold in records.golds), name.decimals)
    original = _values([records.original.record.scores.get(name.key)]) if records.original else []
    return ScoreRow(
        name.label, name.direction, (value,), golds, number(next(iter(original), None), name.decimals), str(score.n), score.note
    )


def _extractor_table(title: str, split: str, records: ComparedRecords, min_auc: float) -> ScoreTable:
    """One column per extractor; golds and original by their mean over extractors."""
    names = extractors(records.record, split)
    inseparable = inseparable_extractors(records.record, min_auc, split)
    rows = tuple(row for family in labels.EXTRACTOR_SCORES if (row := _extractor_row(family, names, split, records)))
    columns = ("mean", *(labels.EXTRACTORS.get(name, name) + (" †" if name in inseparable else "") for name in names))
    note = "† Not separable: this classifier cannot tell the original's images from the submission's." if inseparable else ""
    expected = " On retain prompts this is the desired outcome." if inseparable and split == "retain" else ""
    return ScoreTable(title, columns, rows, note + expected)


def _extractor_row(family: ScoreName, names: tuple[str, ...], split: str, records: ComparedRecords) -> ScoreRow | None:
    mean = mean_score(records.record, family.key, split)
    if mean is None:
        return None
    scores = [records.record.scores.get(f"{family.key}.{split}.{name}") for name in names]
    golds = mean_and_range(_values(mean_score(gold.record, family.key, split) for gold in records.golds))
    original = _values([mean_score(records.original.record, family.key, split)]) if records.original else []
    direction = family.direction if split == "forget" else ""
    values = (with_interval(mean), *(with_interval(score) for score in scores))
    return ScoreRow(family.label, direction, values, golds, number(next(iter(original), None)), str(mean.n))


def _values(scores: Iterable[Score | None]) -> list[float]:
    return [score.value for score in scores if score is not None and score.value is not None and is_number(score.value)]
