"""``unconceal cite``: BibTeX of the benchmark, of a suite's version, and of rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unconceal.cli.options import root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.results.result_tables import ResultRow, ResultTable

MIN_ID_LENGTH = 8
"""Hex digits from which an id is looked up."""


@click.command()
@click.argument("submission", required=False)
@click.option("--suite", default="miniature", show_default=True, help="The suite whose version is cited.")
@click.option("--version", type=click.IntRange(0), help="Version of the suite; default: the newest that has results.")
@click.option("--task", help="Only the row of this task, e.g. object/star.")
@click.option("--record", "record_id", help="Instead of a submission: the id of a record in a citation, at least 8 hex digits.")
@root_option
def command(submission: str | None, suite: str, version: int | None, task: str | None, record_id: str | None, root: Path | None) -> None:
    """Print BibTeX: the benchmark and the suite's version; with a submission also its paper and its rows.

    An id names a row for good: it also resolves after the row was marked, with who marked it, when and why.

    \b
    Example:  unconceal cite
              unconceal cite esd-x --task object/star
              unconceal cite --record 8daf51d2f6ca
    """
    from unconceal.exports.bibtex import row_entries, software_entry, suite_entry
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import load_all_tables, load_version_tables, selected_versions, suite_versions

    data = DataRoot.find(root)
    sources, folder = Sources(data), data.results.parent
    if record_id is not None:
        rows = [rows_of_id(record_id, load_all_tables(data.result_folders))]
    else:
        tables = load_version_tables(data.result_folders, selected_versions(suite_versions(data.result_folders), suite, version))
        rows = [(row, table) for table in tables if task in (None, table.task) and (row := table.find(submission or ""))]
        if submission is None:
            click.echo("\n\n".join([software_entry(folder), *dict.fromkeys(suite_entry(table, sources, folder) for table in tables)]))
            return
        if not rows:
            selection = f"{submission}{f' on {task}' if task else ''}"
            consequence = f"has no record in {suite}, so there is no row to cite"
            raise UsageError("cite.no-record", selection, consequence, "see `unconceal leaderboard --print`")
    suites = dict.fromkeys(suite_entry(table, sources, folder) for _, table in rows)
    click.echo("\n\n".join([software_entry(folder), *suites, *row_entries(rows, sources, folder)]))


def rows_of_id(record_id: str, tables: tuple[ResultTable, ...]) -> tuple[ResultRow, ResultTable]:
    """The row of a measured digest, or of a digest that the record has or had before it was marked.

    Raises:
        UsageError: the id is too short or none, or no row or several have it.
    """
    from unconceal.results.marks import record_ids

    if not re.fullmatch(f"[0-9a-f]{{{MIN_ID_LENGTH},64}}", record_id):
        raise UsageError("cite.bad-id", f"--record {record_id}", "is no id of a record", f"give {MIN_ID_LENGTH} to 64 hex digits")
    rows = [(row, table) for table in tables for row in table.rows if any(name.startswith(record_id) for name in record_ids(row.record))]
    if len(rows) != 1:
        consequence = "is the id of several rows" if rows else "is the id of no row"
        raise UsageError("cite.unknown-id", f"--record {record_id}", consequence, "give more digits, or look in the results' history")
    return rows[0]
