"""CSV: one row a record, three columns a score (value, low, high) and its n."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from unconceal.leaderboard.sources import Sources
from unconceal.ranking.task_ranking import RankedRow, rank
from unconceal.results.result_tables import ResultTable

Row = dict[str, Any]
FIRST = (
    "suite",
    "suite_version",
    "task",
    "protocol",
    "tier",
    "submission",
    "rank_low",
    "rank_high",
    "tie",
    "verdict",
    "gold",
    "verification",
    "digest",
)


def export(boards: Iterable[ResultTable], sources: Sources) -> str:
    """Every row of every board, in the order of its ranks; columns of scores in the order in which they first appear."""
    rows = [_row(board, row) for board in boards for row in rank(board, sources.rules(board))]
    columns = dict.fromkeys([*FIRST, *(name for row in rows for name in row)])
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _row(board: ResultTable, row: RankedRow) -> Row:
    record = row.stored.record
    low, high = row.rank or (None, None)
    found: Row = {
        "suite": board.suite,
        "suite_version": board.version,
        "task": board.task,
        "protocol": board.protocol,
        "tier": board.tier,
        "submission": record.submission,
        "rank_low": low,
        "rank_high": high,
        "tie": row.group,
        "verdict": record.verdict.label,
        "gold": record.verdict.gold,
        "verification": record.verification.status,
        "digest": record.digest,
    }
    for room, prefix in (("scores", ""), ("damage", "damage."), ("attacks", "attacks.")):
        for name, score in getattr(record, room).items():
            found |= {f"{prefix}{name}": score.value, f"{prefix}{name}.low": score.low, f"{prefix}{name}.high": score.high}
            found |= {f"{prefix}{name}.n": score.n}
    return found
