"""Builds the tables of the dataset from the records and submissions of a data root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.publish.arrow_schemas import SPLIT, TABLES
from unconceal.publish.dataset_rows import Row, attack_rows, battery_rows, curve_rows, damage_rows, result_row, submission_row
from unconceal.results.result_tables import ResultTable, load_all_tables
from unconceal.specs.loader import all_submissions


def build_tables(root: DataRoot) -> dict[str, pa.Table]:
    """The tables by name: every suite version and tier, sorted by suite, task and name.

    Raises:
        CheckFailed: a record is broken or was altered.
        SpecProblems: a submission is invalid.
    """
    sources = Sources(root)
    parts = {name: [arrow_table(name, ())] for name in TABLES}
    tables = load_all_tables(root.result_folders)
    for table in sorted(tables, key=lambda table: (table.suite, table.version, table.task, table.protocol, table.tier)):
        for name, rows in _rows(table, sources).items():
            parts[name].append(arrow_table(name, rows))
    parts["submissions"].append(arrow_table("submissions", (submission_row(submission) for submission in all_submissions(root))))
    return {name: pa.concat_tables(chunks).combine_chunks() for name, chunks in parts.items()}


def arrow_table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows with the table's schema."""
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])


def _rows(table: ResultTable, sources: Sources) -> dict[str, Iterator[Row]]:
    rows, rules = sorted(table.rows, key=lambda row: row.record.submission), sources.rules(table)
    return {
        "results": (result_row(row, table, rules) for row in rows),
        "curves": (curve for row in rows for curve in curve_rows(row.record)),
        "battery": (battery for row in rows for battery in battery_rows(row.record)),
        "damage": (damage for row in rows for damage in damage_rows(row.record)),
        "attacks": (attack for row in rows for attack in attack_rows(row.record)),
    }


def write_parquet(table: pa.Table, path: Path) -> None:
    """Writes a table as Parquet with the features of `datasets`; the same rows give the same bytes."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset(table).to_parquet(str(path))


def parquet_name(config: str) -> str:
    """A table's path in the dataset."""
    return f"data/{config}/{SPLIT}-00000-of-00001.parquet"
