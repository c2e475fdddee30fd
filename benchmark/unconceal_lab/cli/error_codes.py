"""``python -m unconceal_lab error-codes``: write the reference page of the error codes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/reference/error-codes.md"),
    show_default=True,
    help="The page.",
)
def command(out: Path) -> None:
    """Write the page of every code of errors, lint problems and record flaws, from the source.

    \b
    Example:  python -m unconceal_lab error-codes
    """
    from unconceal_lab.reports.error_codes import page

    out.write_text(page(), encoding="utf-8", newline="\n")
    click.echo(f"{out}: written")
