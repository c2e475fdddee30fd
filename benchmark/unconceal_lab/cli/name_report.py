"""``python -m unconceal_lab name-report``: count private words among names, and sizes of files and functions."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import echo_rows
from unconceal.paths import SOURCE_TREE


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=SOURCE_TREE / "benchmark", required=False)
@click.option("--words", is_flag=True, help="List the names of each file, too.")
def command(folder: Path, words: bool) -> None:
    """Print the share of private words among variable and parameter names, and median, 90th percentile and longest file and function.

    \b
    Example:  python -m unconceal_lab name-report benchmark
    """
    from unconceal_lab.reports.name_report import read_sources, size_summary, total_share

    sources = read_sources(folder)
    rows = [
        {"file": source.path.as_posix(), "private": source.n_private, "names": source.n_names}
        | ({"words": ", ".join(f"{word} {count}" for word, count in source.private.most_common())} if words else {})
        for source in sorted(sources, key=lambda source: -source.n_private)
        if source.n_private
    ]
    echo_rows(rows, as_json=False, empty="no private word")
    n_private, n_names = sum(source.n_private for source in sources), sum(source.n_names for source in sources)
    click.echo(f"private words: {n_private} of {n_names} names, {total_share(sources):.2%}")
    for what, lengths in (
        ("files", [source.n_lines for source in sources]),
        ("functions", [length for source in sources for length in source.function_lengths]),
    ):
        median, percentile, longest = size_summary(lengths)
        click.echo(f"lines of {what}: median {median:.0f}, 90th percentile {percentile:.0f}, longest {longest:.0f}")
