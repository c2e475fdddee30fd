"""CSV: one row per record, four columns per score (value, low, high, n)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from unconceal.escape import csv_cell
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.task_ranking import RankedRow, rank_table
from unconceal.results.flat_rows import FlatRow, flat_row
from unconceal.results.result_tables import ResultTable


def export(tables: Iterable[ResultTable], sources: Sources) -> str:
    """Every row of every table in the order of the ranks; score columns in the order of their first appearance."""
    rows = [_row(table, row) for table in tables for row in rank_table(table, sources.rules(table))]
    columns = dict.fromkeys(name for row in rows for name in row)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    writer.writerows([csv_cell(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def _row(table: ResultTable, row: RankedRow) -> FlatRow:
    low, high = row.rank or (None, None)
    ranks = {"rank_low": low, "rank_high": high, "tie": row.tie_group}
    return ranks | flat_row(row.result.record, row.result.record_id)
