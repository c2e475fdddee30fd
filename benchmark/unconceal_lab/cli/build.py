"""``python -m unconceal_lab build``: train the miniature suite's models, unlearners and judges."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import echo_rows
from unconceal_lab.cli.options import WORK


@click.command()
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=WORK,
    show_default=True,
    help="Build directory; builds resume in it.",
)
@click.option(
    "--only", multiple=True, help="Run only this step, e.g. base, or the steps of a submission, e.g. esd-x:object/star; repeatable."
)
@click.option("--scratch", is_flag=True, help="Train VAE, ancestor and base instead of taking them from the package.")
@click.option("--list", "listed", is_flag=True, help="List the steps, what exists and how long it took, and stop.")
@click.option(
    "--ship",
    "ship_outputs",
    is_flag=True,
    help="Copy the results into the package and submissions/ afterwards, and write docs/reports/model-gates.md.",
)
def command(work: Path, only: tuple[str, ...], scratch: bool, listed: bool, ship_outputs: bool) -> None:
    """Run every build step whose output is missing, one after the other on one thread. The same command resumes.

    \b
    Example:  python -m unconceal_lab build --only base
    """
    from unconceal.progress import progress
    from unconceal_lab.build import ship, steps
    from unconceal_lab.build.build_dir import BuildDir

    with progress() as display:
        build_dir = BuildDir(work, progress=display)
        if listed:
            rows = [
                {
                    "step": step.output,
                    "expected CPU min": step.minutes,
                    "measured CPU min": build_dir.minutes.get(step.output),
                    "exists": build_dir.exists(step.output),
                }
                for step in steps.build_steps(build_dir)
            ]
            echo_rows(rows, as_json=False)
            return
        if ship_outputs:
            ship.require_source_tree()
        steps.run_build(build_dir, only, scratch)
        if ship_outputs:
            ship.ship(build_dir, only)
