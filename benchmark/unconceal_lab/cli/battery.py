"""``python -m unconceal_lab battery``: the page of the battery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option


@click.command()
@click.option("--tier", type=click.Choice(["full", "audit"]), default="full", show_default=True, help="Tier of the records.")
@reports_option
@root_option
def command(tier: Any, reports: Path, root: Path | None) -> None:
    """Write docs/reports/battery.md from the records of the miniature suite and the learning curves from drawings.

    \b
    Example:  python -m unconceal_lab battery
    """
    from unconceal.specs.loader import load_suite
    from unconceal_lab.reports.battery_page import PAGE, known_records, page
    from unconceal_lab.study.drawings_relearning import FILE, read_curves

    data = DataRoot.find(root)
    records = known_records(data.results / load_suite(data, "miniature").id, tier, read_curves(reports / FILE))
    (reports / PAGE).write_text(page(records), encoding="utf-8")
    click.echo(f"{reports / PAGE}: {len(records)} records")
