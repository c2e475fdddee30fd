"""``unconceal results``: look after the records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from unconceal.cli.options import json_option, root_option
from unconceal.leaderboard.checking import check_results
from unconceal.paths import DataRoot
from unconceal.specs.problems import SpecProblems


@click.group()
def command() -> None:
    """Look after the records under results/."""


@command.command()
@root_option
@json_option
def check(root: Path | None, as_json: bool) -> None:
    """Check every record: fields, digest, place, suite and task, and the controls it names; every mistake at once.

    \b
    Example:  unconceal results check
    """
    count, problems = check_results(DataRoot.find(root))
    if as_json:
        click.echo(json.dumps({"records": count, "problems": [asdict(problem) for problem in problems]}, indent=2, default=str))
    if problems:
        raise SpecProblems(problems)
    if not as_json:
        click.echo(f"{count} record{'s' * (count != 1)}, nothing wrong")
