"""``unconceal site``: the results as a website of plain files."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import index_option, load_tables, root_option, version_options
from unconceal.paths import DataRoot


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("site"), show_default=True, help="Output folder.")
@click.option(
    "--images",
    type=click.Choice(["records", "store"]),
    default="records",
    show_default=True,
    help="The strips beside the records, of a few prompts; or strips of every prompt from the store, for records whose images are there.",
)
@version_options
@index_option
@root_option
def command(out: Path, images: str, suite: str | None, version: int | None, index: Path | None, root: Path | None) -> None:
    """Write the results as a website: plain files for any web server. Prints the path of its first page.

    The newest version of each suite is on the first page, older ones have pages of their own. --suite and --version select.

    \b
    Example:  unconceal site --out site
              unconceal site --images store
    """
    import tempfile

    from unconceal.progress import progress
    from unconceal.site.build import write_site
    from unconceal.site.image_blocks import FullStrip, no_strip
    from unconceal.site.result_page import CURVES
    from unconceal.specs.reported import load_reported

    data = DataRoot.find(root)
    with progress() as progress_bar, tempfile.TemporaryDirectory() as folder:
        tables, sources = load_tables(data, index, True, CURVES, suite, version, every_version=version is None)
        full_strip: FullStrip = no_strip
        if images == "store":
            from unconceal.site.full_strips import FullStrips

            full_strip = FullStrips(sources, Path(folder))
        click.echo(str(write_site(tables, sources, out, progress_bar, load_reported(data.result_folders), full_strip)))
