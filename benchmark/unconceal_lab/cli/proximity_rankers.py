"""``python -m unconceal_lab proximity-rankers``: compare the proximity rankers of neighbours."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_probes, load_task, probe_files


@click.command()
@click.option("--suite", default="miniature", show_default=True, help="Which suite's records, of its present version.")
@click.option("--tier", type=click.Choice(["full", "lite"]), default="full", show_default=True, help="Which records.")
@click.option("--docs", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder to write proximity-rankers.md into.")
@root_option
def command(suite: str, tier: str, docs: Path | None, root: Path | None) -> None:
    """Hold the orderers of neighbours against each other, over all tasks and methods that were probed.

    \b
    Example:  python -m unconceal_lab proximity-rankers --docs docs/reports
    """
    from unconceal.results.result_tables import load_records
    from unconceal.specs.loader import load_suite
    from unconceal_lab.reports.proximity_rankers import field_of
    from unconceal_lab.reports.proximity_rankers_page import orderers_page

    data = DataRoot.find(root)
    spec = load_suite(data, suite)
    field = field_of(row.record for row in load_records(data.result_folders, spec.name, spec.version, tier))
    if not field.cells:
        raise CheckFailed(
            "rankers.no-record", f"suite {spec.id}", f"has no {tier} record with neighbours", "make some with `unconceal run … --probes`"
        )
    sets = [load_probes(data, load_task(data, f"{of}:{task}"), name) for of, task, name, _ in probe_files(data) if of == spec.name]
    text = orderers_page(f"{spec.name}, version {spec.version}, tier {tier}", field, sets)
    if docs is None:
        click.echo(text, nl=False)
        return
    (docs / "proximity-rankers.md").write_text(text, encoding="utf-8", newline="\n")
    click.echo(f"{docs / 'proximity-rankers.md'}: written from {len(field.cells)} records")
