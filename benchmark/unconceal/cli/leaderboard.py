"""``unconceal leaderboard``: LEADERBOARD.md from the records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unconceal.cli.options import json_option, root_option
from unconceal.errors import CheckFailed
from unconceal.leaderboard.reported import reported_section
from unconceal.leaderboard.sources import Sources
from unconceal.leaderboard.tables import as_objects, leaderboard
from unconceal.paths import DataRoot
from unconceal.results.reading import newest_boards, read_for_ranking
from unconceal.specs.reported import load_reported


@click.command()
@root_option
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if LEADERBOARD.md is stale.")
@click.option("--print", "to_stdout", is_flag=True, help="Print it instead of writing it.")
@json_option
def command(root: Path | None, check: bool, to_stdout: bool, as_json: bool) -> None:
    """Write LEADERBOARD.md from the records under results/.

    \b
    Example:  unconceal leaderboard --check
    """
    found = DataRoot.find(root)
    path = found.results.parent / "LEADERBOARD.md"
    boards, sources = newest_boards(found.result_folders, read_for_ranking), Sources(found)
    text = leaderboard(boards, sources, path.parent) + reported_section(load_reported(found.result_folders))
    if check:
        refuse_stale(path, text)
    if as_json:
        click.echo(json.dumps(as_objects(boards, sources, path.parent), indent=2, ensure_ascii=False))
    elif to_stdout:
        click.echo(text, nl=False)
    elif check:
        click.echo(f"{path} is up to date")
    else:
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {path}")


def refuse_stale(path: Path, text: str) -> None:
    """Raises CheckFailed if the file is not what the records say."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise CheckFailed(
            str(path), "is stale: it does not show the records under results/", "run `unconceal leaderboard`, commit the file"
        )
