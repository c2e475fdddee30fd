"""``unconceal rate``: people rate images, and their agreement with judge and scores."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import TIER_NAMES, root_option
from unconceal.paths import DataRoot


@click.group()
def command() -> None:
    """Let people rate images blindly, and compare their answers with the concept judge, CRS and CCS.

    \b
    Example:  unconceal rate serve --task object/star
    """


@command.command()
@click.option("--task", "tasks", multiple=True, help="Only this task, e.g. object/star; repeatable.")
@click.option("--tier", type=click.Choice(TIER_NAMES), default="full", show_default=True, help="Records of this tier.")
@click.option("--items", type=click.IntRange(1, 5000), default=120, show_default=True, help="Number of images and pairs.")
@click.option("--pairs", type=click.FloatRange(0, 1), default=0.25, show_default=True, help="Which part of the items are pairs.")
@click.option(
    "--images",
    type=click.Choice(["strips", "store"]),
    default="strips",
    show_default=True,
    help="Where images come from: three prompts of each record's strip, or every prompt of records whose images are stored.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the items; the same seed draws the same ones.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("ratings"), show_default=True, help="Folder of ratings."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="Port to listen on.")
@click.option("--host-name", "hosts", multiple=True, help="Name by which browsers reach this machine; repeatable.")
@click.option("--https", is_flag=True, help="Browsers reach it by HTTPS, through a proxy: cookies are then sent by HTTPS only.")
@root_option
def serve(
    tasks: tuple[str, ...],
    tier: str,
    items: int,
    pairs: float,
    images: str,
    seed: int,
    out: Path,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    https: bool,
    root: Path | None,
) -> None:
    """Serve the blind page. Every rater gets a random number and a file, written after each answer; the same command resumes.

    \b
    Example:  unconceal rate serve --task object/star --items 60
    """
    from unconceal.leaderboard.sources import Sources
    from unconceal.ratings.item_images import draw_items
    from unconceal.ratings.rating_app import rating_application
    from unconceal.results.result_tables import load_newest_tables
    from unconceal.web.application import run_server

    data = DataRoot.find(root)
    wanted = [table for table in load_newest_tables(data.result_folders) if table.tier == tier and (not tasks or table.task in tasks)]
    source = None
    if images == "store":
        from unconceal.ratings.store_source import StoreSource

        source = StoreSource(data)
    drawn = draw_items(wanted, Sources(data), items, pairs, seed, source)
    click.echo(f"{len(drawn)} items. Open http://{host}:{port}/ ; answers go to {out}. Ctrl-C ends it.")
    run_server(rating_application(drawn, out, hosts, https), host, port)


@command.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--half-width", type=click.FloatRange(0.005, 0.5), default=0.05, show_default=True, help="Wanted precision of intervals.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file instead of the terminal.")
@root_option
def analyse(files: tuple[Path, ...], half_width: float, out: Path | None, root: Path | None) -> None:
    """Print agreement among raters (Krippendorff's α), and of the concept judge, CRS and CCS with their majority.

    \b
    Example:  unconceal rate analyse
              unconceal rate analyse ratings/r-0123456789abcdef.ratings.json --out agreement.md
    """
    from unconceal.files import write_atomically
    from unconceal.ratings.agreement_page import agreement_page
    from unconceal.ratings.rating_file import read_all
    from unconceal.results.result_tables import load_all_tables

    ratings = read_all(files)
    tables = load_all_tables(DataRoot.find(root).result_folders) if ratings else ()
    records = {row.record.measured_digest: row.record for table in tables for row in table.rows}
    page = agreement_page(ratings, records, half_width)
    if out is None:
        click.echo(page)
    else:
        write_atomically(out, page.encode())
        click.echo(str(out))
