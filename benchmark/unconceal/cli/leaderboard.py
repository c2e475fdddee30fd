"""``unconceal leaderboard``: LEADERBOARD.md from the records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unconceal.cli.options import index_option, json_option, load_tables, root_option
from unconceal.leaderboard.leaderboard_file import check_up_to_date, leaderboard_path, leaderboard_text
from unconceal.leaderboard.markdown import row_objects
from unconceal.paths import DataRoot


@click.command()
@root_option
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if LEADERBOARD.md is stale.")
@click.option("--print", "to_stdout", is_flag=True, help="Print it instead of writing it.")
@index_option
@json_option
def command(root: Path | None, check: bool, to_stdout: bool, index: Path | None, as_json: bool) -> None:
    """Write LEADERBOARD.md from the records under results/: of each suite the newest version.

    \b
    Example:  unconceal leaderboard --check
    """
    data = DataRoot.find(root)
    path, (boards, sources) = leaderboard_path(data), load_tables(data, index, whole=as_json)
    if as_json and not check:
        click.echo(json.dumps(row_objects(boards, sources, path.parent), indent=2, ensure_ascii=False))
        return
    text = leaderboard_text(data, boards, sources)
    if check:
        check_up_to_date(path, text)
        click.echo(f"{path} is up to date")
    elif to_stdout:
        click.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {path}")
