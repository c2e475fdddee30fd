"""``unconceal site``: the results as a website of plain files."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import index_option, load_tables, root_option, version_options
from unconceal.paths import DataRoot


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("site"), show_default=True, help="Output folder.")
@version_options
@index_option
@root_option
def command(out: Path, suite: str | None, version: int | None, index: Path | None, root: Path | None) -> None:
    """Write the results as a website: plain files for any web server. Prints the path of its first page.

    The newest version of each suite is on the first page, older ones have pages of their own. --suite and --version select.

    \b
    Example:  unconceal site --out site
    """
    from unconceal.progress import progress
    from unconceal.site.build import write_site
    from unconceal.site.result_page import CURVES
    from unconceal.specs.reported import load_reported

    data = DataRoot.find(root)
    with progress() as progress_bar:
        tables, sources = load_tables(data, index, True, CURVES, suite, version, every_version=version is None)
        click.echo(str(write_site(tables, sources, out, progress_bar, load_reported(data.result_folders))))
