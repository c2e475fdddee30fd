"""``unconceal leaderboard``: LEADERBOARD.md and the pages of suite versions from the records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unconceal.cli.options import index_option, json_option, load_tables, root_option, version_options
from unconceal.paths import DataRoot


@click.command()
@root_option
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is stale.")
@click.option("--print", "to_stdout", is_flag=True, help="Print LEADERBOARD.md, or with --suite or --version a version's page.")
@version_options
@index_option
@json_option
def command(
    root: Path | None, check: bool, to_stdout: bool, suite: str | None, version: int | None, index: Path | None, as_json: bool
) -> None:
    """Write LEADERBOARD.md, of each suite the newest version, and a page with every row beside each version's records.

    \b
    Example:  unconceal leaderboard --check
              unconceal leaderboard --version 2 --print
    """
    from unconceal.leaderboard.leaderboard_file import check_up_to_date, leaderboard_pages, leaderboard_path, leaderboard_text
    from unconceal.leaderboard.markdown import row_objects, suite_page

    data = DataRoot.find(root)
    folder, selected = leaderboard_path(data).parent, (suite, version) != (None, None)
    if not (as_json or to_stdout or index or selected):
        pages = leaderboard_pages(data)
        if check:
            check_up_to_date(pages)
            click.echo(f"{leaderboard_path(data)} and {len(pages) - 1} pages are up to date")
            return
        for path, text in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            click.echo(f"wrote {path}")
        return
    tables, sources = load_tables(data, index, whole=as_json, suite=suite, version=version)
    if as_json:
        click.echo(json.dumps(row_objects(tables, sources, folder), indent=2, ensure_ascii=False))
    else:
        click.echo(suite_page(tables, sources, folder) if selected else leaderboard_text(data, tables, sources), nl=False)
