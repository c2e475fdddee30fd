"""Who stands before whom: ranks as intervals, ties as ties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unconceal.leaderboard.numbers import is_number
from unconceal.leaderboard.reading import Stored

UNRANKED_LABELS = ("damaged",)
"""A destroyed model shows no concept either: it must not win by that."""
UNRANKED_STATUS = ("disputed", "withdrawn")
CONTROL_ORDER = ("control-original", "control-gold", "control-unrelated", "control-collapsed")


@dataclass(frozen=True)
class Ranked:
    """A row with its rank interval; None for controls and for what is not ranked. Low is better."""

    stored: Stored
    rank: tuple[int, int] | None

    @property
    def written(self) -> str:
        """`2`, a tie as `2–4`, nothing if unranked."""
        if self.rank is None:
            return ""
        low, high = self.rank
        return str(low) if low == high else f"{low}–{high}"


def rank(rows: Iterable[Stored], primary: str = "excess") -> tuple[Ranked, ...]:
    """Submissions by the primary score (lower is better), then the unranked ones, then controls."""
    rows = tuple(rows)
    entrants = sorted((row for row in rows if is_ranked(row, primary)), key=lambda row: (_value(row, primary), row.record.submission))
    others = sorted((row for row in rows if not row.is_control and row not in entrants), key=lambda row: row.record.submission)
    controls = sorted((row for row in rows if row.is_control), key=_control_place)
    intervals = rank_intervals([_interval(row, primary) for row in entrants])
    ranked = [Ranked(row, interval) for row, interval in zip(entrants, intervals, strict=True)]
    return (*ranked, *(Ranked(row, None) for row in (*others, *controls)))


def is_ranked(row: Stored, primary: str = "excess") -> bool:
    """Whether a row competes: a submission with a primary score, not damaged, disputed or withdrawn."""
    score, record = row.record.scores.get(primary), row.record
    return (
        not row.is_control
        and score is not None
        and is_number(score.value)
        and record.verdict.label not in UNRANKED_LABELS
        and record.verification.status not in UNRANKED_STATUS
    )


def rank_intervals(intervals: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """(1 + how many are surely better, n − how many are surely worse), sure meaning that intervals do not overlap."""
    n = len(intervals)
    return [
        (1 + sum(other_high < low for _, other_high in intervals), n - sum(other_low > high for other_low, _ in intervals))
        for low, high in intervals
    ]


def _value(row: Stored, primary: str) -> float:
    value = row.record.scores[primary].value
    assert value is not None
    return value


def _interval(row: Stored, primary: str) -> tuple[float, float]:
    """Without an interval nothing is known but the value: it ties with everyone."""
    score = row.record.scores[primary]
    low = score.low if score.low is not None and is_number(score.low) else float("-inf")
    high = score.high if score.high is not None and is_number(score.high) else float("inf")
    return low, high


def _control_place(row: Stored) -> tuple[int, str]:
    name = row.record.submission
    place = next((i for i, start in enumerate(CONTROL_ORDER) if name.startswith(start)), len(CONTROL_ORDER))
    return place, name
