"""``unconceal rescore``: recompute scores from stored images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import TIER_NAMES, layout_options, root_option
from unconceal.paths import DataRoot


@click.command()
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION…")
@click.option("--task", "tasks", multiple=True, help="Task, e.g. object/star; repeatable; default: every task the submission has.")
@click.option("--tier", type=click.Choice(TIER_NAMES), default="full", show_default=True, help="Number of prompts and seeds.")
@layout_options
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Folder of the image store.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Folder for the records.")
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
    """Recompute every score of the standard protocol from stored images and write the records. No image is generated.

    Fails if the store lacks an image of these tasks for these options (threads, batch size, precision, device).

    \b
    Example:  unconceal rescore esd-x --task object/star --tier quick
    """
    from unconceal.cli.resolve import echo_verdicts, evaluation_of, resolve_pairs
    from unconceal.execution.scheduler import schedule_rescoring
    from unconceal.progress import progress

    data = DataRoot.find(root)
    data = replace(data, store=store or data.store, results=results or data.results)
    suite, pairs = resolve_pairs(data, submissions, tasks)
    with progress() as bars:
        evaluation = evaluation_of(data, suite, bars, tier_name=tier, **layout)
        echo_verdicts(evaluation, schedule_rescoring(evaluation, pairs))
