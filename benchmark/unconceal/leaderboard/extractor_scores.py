"""CRS, CCS and AUC as a record holds them: per extractor, and as their mean."""

from __future__ import annotations

from unconceal.leaderboard.numbers import is_number
from unconceal.specs.record import Record, Score


def names(record: Record, split: str) -> tuple[str, ...]:
    """The extractors of a record, in its order."""
    heads = (name.removeprefix(f"auc.{split}.") for name in record.scores if name.startswith(f"auc.{split}."))
    return tuple(name for name in heads if name != "mean")


def mean_score(record: Record, family: str, split: str) -> Score | None:
    """The mean over extractors; where the record holds none (AUC), that of the values, without an interval."""
    found = record.scores.get(f"{family}.{split}.mean")
    if found is not None:
        return found
    scores = [score for name in names(record, split) if (score := record.scores.get(f"{family}.{split}.{name}"))]
    values = [score.value for score in scores if score.value is not None and is_number(score.value)]
    return Score(value=sum(values) / len(values), n=max(score.n for score in scores)) if values else None


def inseparable(record: Record, least: float, split: str = "forget") -> tuple[str, ...]:
    """Extractors whose classifier can't tell θ's pictures from the submission's: AUC with a lower bound below `least`."""
    scores = {name: record.scores[f"auc.{split}.{name}"] for name in names(record, split)}
    return tuple(name for name, score in scores.items() if score.low is None or score.low < least)
