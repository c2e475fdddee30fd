"""``unconceal doctor``: what a suite needs, and whether it is here."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import EnvironmentFault
from unconceal.paths import DataRoot
from unconceal.specs.submission import is_gold_name


@click.command()
@click.option("--suite", default="miniature", show_default=True, help="Suite to check.")
@root_option
@json_option
def command(suite: str, root: Path | None, as_json: bool) -> None:
    """List everything that a suite needs on this machine, with size and license, and fail if something is missing. Needs no network.

    \b
    Example:  unconceal doctor --suite sd14
    """
    from unconceal.hub.requirements import PRESENT, suite_requirements

    requirements = list(suite_requirements(DataRoot.find(root), suite))
    echo_rows([need.row() for need in requirements], as_json)
    golds = [need for need in requirements if is_gold_name(need.part) and need.state != PRESENT]
    if golds:
        click.echo(f"{len(golds)} golds are not here: without them nothing can be said to forget, and nothing to conceal", err=True)
    missing = [need for need in requirements if not is_gold_name(need.part) and need.state != PRESENT]
    if missing:
        size = sum(need.gigabytes or 0.0 for need in missing)
        consequence = f"are missing or not pinned (about {size:.1f} GB), so suite {suite} cannot run"
        value = f"{len(missing)} of {len(requirements)} things"
        raise EnvironmentFault(
            "doctor.missing", value, consequence, f"fetch them where there is network: `unconceal tasks pin {suite}`, `submissions pin`"
        )
