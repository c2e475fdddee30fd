"""Every table of the dataset, from a data root's records and submissions, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.publish.arrow_schemas import SPLIT, TABLES
from unconceal.publish.dataset_rows import Row, attack_rows, curve_rows, damage_rows, result_row, submission_row
from unconceal.results.result_tables import ResultTable, load_all_tables
from unconceal.specs.loader import all_submissions


def tables_of(root: DataRoot) -> dict[str, pa.Table]:
    """The tables by name. Every suite version and tier, every number; the order is that of suites, tasks and names.

    Raises:
        CheckFailed: a record is broken or was altered.
        SpecProblems: a submission is wrong.
    """
    boards, sources = load_all_tables(root.result_folders), Sources(root)
    parts = {name: [table(name, rows)] for name, rows in _no_rows().items()}
    for board in sorted(boards, key=lambda one: (one.suite, one.version, one.task, one.protocol, one.tier)):
        for name, rows in _rows(board, sources).items():
            parts[name].append(table(name, rows))
    parts["submissions"].append(table("submissions", (submission_row(one) for one in all_submissions(root))))
    return {name: pa.concat_tables(found).combine_chunks() for name, found in parts.items()}


def table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows under the table's own schema."""
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])


def _no_rows() -> dict[str, Sequence[Row]]:
    return {name: () for name in TABLES}


def _rows(board: ResultTable, sources: Sources) -> dict[str, Iterator[Row]]:
    stored = sorted(board.rows, key=lambda row: row.record.submission)
    rules = sources.rules(board)
    return {
        "results": (result_row(row, board, rules) for row in stored),
        "curves": (found for row in stored for found in curve_rows(row.record)),
        "damage": (found for row in stored for found in damage_rows(row.record)),
        "attacks": (found for row in stored for found in attack_rows(row.record)),
    }


def write_parquet(found: pa.Table, path: Path) -> None:
    """One table as Parquet, with the features that `datasets` reads them by; the same rows give the same bytes."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset(found).to_parquet(str(path))


def parquet_name(config: str) -> str:
    """Where a table lies in the dataset."""
    return f"data/{config}/{SPLIT}-00000-of-00001.parquet"
