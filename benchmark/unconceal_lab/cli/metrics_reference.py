"""``python -m unconceal_lab metrics-reference``: write the reference page of the metric functions."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/reference/metric-functions.md"),
    show_default=True,
    help="The page.",
)
def command(out: Path) -> None:
    """Write the page of every public function of `unconceal.metrics`, from its docstring.

    \b
    Example:  python -m unconceal_lab metrics-reference
    """
    from unconceal_lab.reports.metrics_reference import reference

    out.write_text(reference(), encoding="utf-8", newline="\n")
    click.echo(f"{out}: written")
