"""``python -m unconceal_lab word-shapes``: the proximity order by spelling alone."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot


@click.command()
@click.argument("task")
@root_option
def command(task: str, root: Path | None) -> None:
    """Print a task's neighbours ordered by the spelling of their names: a weak baseline for the order of language models.

    \b
    Example:  python -m unconceal_lab word-shapes object/star > replies.txt
              unconceal probes elicit object/star --from-replies replies.txt --model word-shape
    """
    from unconceal.specs.loader import load_task
    from unconceal_lab.build.spelling_ranker import reply

    click.echo(reply(load_task(DataRoot.find(root), task)))
