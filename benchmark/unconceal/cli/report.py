"""``unconceal report``: one HTML page per submission and task."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.errors import UsageError
from unconceal.leaderboard.report import write_report
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultRow, ResultTable, all_boards, published


@click.command()
@click.argument("submission", required=False)
@click.option("--task", help="Only this task, e.g. object/star or miniature:object/star.")
@click.option("--tier", type=click.Choice(["full", "lite"]), help="Which records; without it full, or lite where there is no full one.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("reports"), help="Where the pages go; reports/.")
@click.option("--all", "everything", is_flag=True, help="A page for every record.")
@root_option
def command(submission: str | None, task: str | None, tier: str | None, out: Path, everything: bool, root: Path | None) -> None:
    """Write a self-contained HTML page: verdict, pictures, curves, scores. Prints where it lies.

    \b
    Example:  unconceal report esd-x --task object/star
              unconceal report --all
    """
    if everything == (submission is not None):
        value = "SUBMISSION" if submission is None else f"{submission} together with --all"
        raise UsageError(value, "leaves open which pages to write", "name one submission, or give --all")
    found = DataRoot.find(root)
    boards = [board for board in all_boards(found.result_folders) if tier in (None, board.tier) and _is_task(board, task)]
    rows = _all_of(boards, tier) if submission is None else _of_submission(boards, submission, tier)
    if not rows:
        asked = " ".join(part for part in (submission or "--all", task and f"--task {task}", tier and f"--tier {tier}") if part)
        raise UsageError(asked, "has no record, so there is nothing to report", "make one with `unconceal run`")
    for board, row in rows:
        click.echo(str(write_report(board, row, Sources(found), out)))


def _all_of(boards: list[ResultTable], tier: str | None) -> list[tuple[ResultTable, ResultRow]]:
    return [(board, row) for board in (boards if tier else published(boards)) for row in board.rows]


def _of_submission(boards: list[ResultTable], name: str, tier: str | None) -> list[tuple[ResultTable, ResultRow]]:
    """The submission's row on every task, in the newest suite version that has one."""
    mine = [board for board in boards if _row(board, name)]
    newest = {board.suite: max(other.version for other in mine if other.suite == board.suite) for board in mine}
    mine = [board for board in mine if board.version == newest[board.suite]]
    return [(board, row) for board in (mine if tier else published(mine)) if (row := _row(board, name))]


def _row(board: ResultTable, name: str) -> ResultRow | None:
    return board.find(name.removeprefix(f"{board.suite}/"))


def _is_task(board: ResultTable, task: str | None) -> bool:
    return task in (None, board.task, f"{board.suite}:{board.task}")
