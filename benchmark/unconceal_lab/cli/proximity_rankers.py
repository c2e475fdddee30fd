"""``python -m unconceal_lab proximity-rankers``: compare the proximity rankers of neighbours."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_probes, load_task, probe_files
from unconceal_lab.cli.options import reports_option


@click.command()
@click.option("--suite", default="miniature", show_default=True, help="Suite, in its current version.")
@click.option("--tier", type=click.Choice(["full", "quick"]), default="full", show_default=True, help="Tier of the records.")
@reports_option
@root_option
def command(suite: str, tier: str, reports: Path, root: Path | None) -> None:
    """Compare the proximity rankers over all records with probe results and write the page.

    \b
    Example:  python -m unconceal_lab proximity-rankers --reports docs/reports
    """
    from unconceal.results.result_tables import load_records
    from unconceal.specs.loader import load_suite
    from unconceal_lab.reports.proximity_rankers import probe_grid
    from unconceal_lab.reports.proximity_rankers_page import rankers_page

    data = DataRoot.find(root)
    spec = load_suite(data, suite)
    grid = probe_grid(row.record for row in load_records(data.result_folders, spec.name, spec.version, tier))
    if not grid.cells:
        raise CheckFailed(
            "rankers.no-record", f"suite {spec.id}", f"has no {tier} record with probe results", "run `unconceal run … --probes` first"
        )
    sets = [
        load_probes(data, load_task(data, f"{suite_name}:{task}"), name)
        for suite_name, task, name, _ in probe_files(data)
        if suite_name == spec.name
    ]
    text = rankers_page(f"{spec.name}, version {spec.version}, tier {tier}", grid, sets)
    page = reports / "proximity-rankers.md"
    page.write_text(text, encoding="utf-8", newline="\n")
    click.echo(f"{page}: written from {len(grid.cells)} records")
