"""The tables of a page: each score beside the golds' and the original's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unconceal.leaderboard import wording
from unconceal.leaderboard.numbers import NOTHING, is_number, number, span, with_interval
from unconceal.leaderboard.reading import Stored
from unconceal.specs.record import Record


@dataclass(frozen=True)
class ScoreRow:
    """One line of the table of scores, as text."""

    words: str
    better: str
    own: str
    golds: str
    original: str
    n: str
    note: str


def score_tables(record: Record, golds: tuple[Stored, ...], original: Stored | None) -> tuple[tuple[str, tuple[ScoreRow, ...]], ...]:
    groups = (
        ("Retrieval and presence", wording.HEADLINE),
        ("CCS and CRS on forget prompts", wording.diffusion_scores("forget")),
        ("CCS and CRS on retain prompts", wording.diffusion_scores("retain")),
        ("Traditional metrics", wording.TRADITIONAL),
    )
    tables = ((title, tuple(_score_rows(record, names, golds, original))) for title, names in groups)
    return tuple((title, rows) for title, rows in tables if rows)


def _score_rows(
    record: Record, names: tuple[wording.ScoreName, ...], golds: tuple[Stored, ...], original: Stored | None
) -> Iterator[ScoreRow]:
    for name in names:
        score = record.scores.get(name.key)
        if score is None:
            continue
        nothing = "none" if name.key.startswith("psi_star") else NOTHING
        own = with_interval(score, name.digits) if is_number(score.value) else nothing
        of_golds = span([value for gold in golds if (value := _value(gold, name.key)) is not None], name.digits)
        of_original = number(_value(original, name.key) if original else None, name.digits)
        yield ScoreRow(name.words, name.better, own, of_golds, of_original, str(score.n), score.note)


def _value(row: Stored, key: str) -> float | None:
    score = row.record.scores.get(key)
    return score.value if score is not None and is_number(score.value) else None


def damage_rows(record: Record) -> tuple[tuple[str, str, str], ...]:
    """(retained concept, fall with interval, n), the worst first."""
    falls = sorted(record.damage.items(), key=lambda item: -(item[1].value if item[1].value is not None else float("-inf")))
    return tuple((concept, with_interval(score), str(score.n)) for concept, score in falls)


def inseparable(record: Record, least: float) -> tuple[str, ...]:
    """Extractors whose classifier can't tell θ's pictures from the submission's."""
    scores = ((extractor, record.scores.get(f"auc.forget.{extractor}")) for extractor in wording.EXTRACTORS)
    return tuple(wording.EXTRACTOR_WORDS[name] for name, score in scores if score and score.low is not None and score.low < least)
