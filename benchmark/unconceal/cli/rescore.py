"""``unconceal score``: every score anew, from pictures that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import layout_options, root_option
from unconceal.paths import DataRoot


@click.command()
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION…")
@click.option("--task", "tasks", multiple=True, help="Task, e.g. object/star; repeatable; default: every task the submission has.")
@click.option("--tier", type=click.Choice(["lite", "full"]), default="full", show_default=True, help="How much was generated.")
@layout_options
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Where the pictures are.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Where records are written.")
@root_option
def command(
    submissions: tuple[str, ...],
    tasks: tuple[str, ...],
    tier: Any,
    store: Path | None,
    results: Path | None,
    root: Path | None,
    **layout: Any,
) -> None:
    """Compute every score of the standard protocol anew from stored pictures, and write the records. No picture is generated.

    Refused where the store lacks a picture of what is asked in this layout (threads, batch, precision, device).

    \b
    Example:  unconceal score esd-x --task object/star --tier lite
    """
    from unconceal.cli.resolve import evaluation_of, pairs_of, tell
    from unconceal.execution.scheduler import schedule_rescoring
    from unconceal.progress import progress

    data = DataRoot.find(root)
    data = replace(data, store=store or data.store, results=results or data.results)
    suite, pairs = pairs_of(data, submissions, tasks)
    with progress() as shown:
        evaluation = evaluation_of(data, suite, shown, tier_name=tier, **layout)
        tell(evaluation, schedule_rescoring(evaluation, pairs))
