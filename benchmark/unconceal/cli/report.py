"""``unconceal report``: a submission's results as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import RUN_TIER_NAMES, root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultRow, ResultTable, load_all_tables, select_tiers


@click.command()
@click.argument("submission", required=False)
@click.option("--task", help="Only this task, e.g. object/star or miniature:object/star.")
@click.option("--tier", type=click.Choice(RUN_TIER_NAMES), help="Only this tier; default: full, or quick where there is no full record.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("reports"), show_default=True, help="Output folder.")
@click.option("--all", "all_submissions", is_flag=True, help="A page for every submission.")
@root_option
def command(submission: str | None, task: str | None, tier: str | None, out: Path, all_submissions: bool, root: Path | None) -> None:
    """Write a self-contained HTML page per submission with all its tasks, and print its path.

    The page is the submission's page of `unconceal site` in one file: verdicts, images, charts, scores, and what was measured with.

    \b
    Example:  unconceal report esd-x
              unconceal report esd-x --task object/star
              unconceal report --all
    """
    from unconceal.leaderboard.sources import Sources
    from unconceal.site.report import write_reports

    if all_submissions == (submission is not None):
        value = "SUBMISSION" if submission is None else f"{submission} together with --all"
        raise UsageError("report.no-submission", value, "leaves open which pages to write", "name one submission, or give --all")
    data = DataRoot.find(root)
    tables = [table for table in load_all_tables(data.result_folders) if tier in (None, table.tier) and _is_task(table, task)]
    selection = _every_row(tables, tier) if submission is None else _rows_of(tables, submission, tier)
    if not selection:
        request = " ".join(part for part in (submission or "--all", task and f"--task {task}", tier and f"--tier {tier}") if part)
        raise UsageError("report.no-record", request, "has no record, so there is nothing to report", "write one with `unconceal run`")
    for path in write_reports(selection, Sources(data), out):
        click.echo(str(path))


def _every_row(tables: list[ResultTable], tier: str | None) -> list[tuple[ResultTable, ResultRow]]:
    return [(table, row) for table in (tables if tier else select_tiers(tables)) for row in table.rows]


def _rows_of(tables: list[ResultTable], name: str, tier: str | None) -> list[tuple[ResultTable, ResultRow]]:
    """The submission's row on every task, in the newest suite version that has one."""
    tables = [table for table in tables if _row(table, name)]
    newest = {table.suite: max(other.version for other in tables if other.suite == table.suite) for table in tables}
    tables = [table for table in tables if table.version == newest[table.suite]]
    return [(table, row) for table in (tables if tier else select_tiers(tables)) if (row := _row(table, name))]


def _row(table: ResultTable, name: str) -> ResultRow | None:
    return table.find(name.removeprefix(f"{table.suite}/"))


def _is_task(table: ResultTable, task: str | None) -> bool:
    return task in (None, table.task, f"{table.suite}:{table.task}")
