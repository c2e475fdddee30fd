"""``unconceal site``: the results as a website of plain files."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import index_option, load_tables, root_option
from unconceal.paths import DataRoot


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("site"), show_default=True, help="Output folder.")
@index_option
@root_option
def command(out: Path, index: Path | None, root: Path | None) -> None:
    """Write the newest results as a website: plain files for any web server. Prints the path of its first page.

    \b
    Example:  unconceal site --out site
    """
    from unconceal.progress import progress
    from unconceal.site.build import write_site
    from unconceal.site.result_page import CURVES

    data = DataRoot.find(root)
    with progress() as progress_bar:
        tables, sources = load_tables(data, index, whole=True, curves=CURVES)
        click.echo(str(write_site(tables, sources, out, progress_bar)))
