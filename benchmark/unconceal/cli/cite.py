"""``unconceal cite``: BibTeX of the benchmark, of a suite's version, and of rows."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot


@click.command()
@click.argument("submission", required=False)
@click.option("--suite", default="miniature", show_default=True, help="The suite whose version is cited.")
@click.option("--task", help="Only the row of this task, e.g. object/star.")
@root_option
def command(submission: str | None, suite: str, task: str | None, root: Path | None) -> None:
    """Print BibTeX: the benchmark and the suite's version; with a submission also its rows.

    \b
    Example:  unconceal cite
              unconceal cite esd-x --task object/star
    """
    from unconceal.exports.bibtex import row_entry, software_entry, suite_entry
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import load_newest_tables, read_for_ranking
    from unconceal.specs.loader import load_suite

    data = DataRoot.find(root)
    entries = [software_entry(data.results.parent), suite_entry(load_suite(data, suite), data.results.parent)]
    if submission is not None:
        boards = [board for board in load_newest_tables(data.result_folders, read_for_ranking) if board.suite == suite]
        matches = [(row, board) for board in boards if task in (None, board.task) and (row := board.find(submission))]
        if not matches:
            selection = f"{submission}{f' on {task}' if task else ''}"
            raise UsageError(
                "cite.no-record", selection, f"has no record in {suite}, so there is no row to cite", "see `unconceal leaderboard --print`"
            )
        entries += [row_entry(row, board, Sources(data)) for row, board in matches]
    click.echo("\n\n".join(entries))
