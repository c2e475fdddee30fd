"""CSV: one row per record, four columns per score (value, low, high, n)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from unconceal.escape import csv_cell
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.task_ranking import RankedRow, rank_table
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


def export(tables: Iterable[ResultTable], sources: Sources) -> str:
    """Every row of every table in the order of the ranks; score columns in the order of their first appearance."""
    rows = [_row(table, row) for table in tables for row in rank_table(table, sources.rules(table))]
    columns = dict.fromkeys([*FIRST, *(name for row in rows for name in row)])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    writer.writerows([csv_cell(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def _row(table: ResultTable, row: RankedRow) -> Row:
    record = row.result.record
    low, high = row.rank or (None, None)
    columns: Row = {
        "suite": table.suite,
        "suite_version": table.version,
        "task": table.task,
        "protocol": table.protocol,
        "tier": table.tier,
        "submission": record.submission,
        "rank_low": low,
        "rank_high": high,
        "tie": row.tie_group,
        "verdict": record.verdict.label,
        "gold": record.verdict.gold,
        "verification": record.verification.status,
        "digest": record.digest,
    }
    for field, prefix in (("scores", ""), ("damage", "damage."), ("attacks", "attacks.")):
        for name, score in getattr(record, field).items():
            columns |= {f"{prefix}{name}": score.value, f"{prefix}{name}.low": score.low, f"{prefix}{name}.high": score.high}
            columns |= {f"{prefix}{name}.n": score.n}
    return columns
