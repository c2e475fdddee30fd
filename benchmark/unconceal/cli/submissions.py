"""``unconceal submissions``: unlearned checkpoints, one file per method."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.problems import SpecProblems
from unconceal.specs.reading import all_submissions, load_submission, load_suite, strays, submission_files
from unconceal.specs.submission import Checkpoint, Submission

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

Row = dict[str, Any]


@click.group()
def command() -> None:
    """List and check the submissions: unlearned checkpoints."""


@command.command("list")
@root_option
@json_option
def list_(root: Path | None, as_json: bool) -> None:
    """List all submissions.

    \b
    Example:  unconceal submissions list --json
    """
    submissions = all_submissions(DataRoot.find(root))
    echo_rows([_row(submission) for submission in submissions], as_json, "no submissions")


def _row(submission: Submission) -> Row:
    kind = "gold" if submission.is_gold else "control" if submission.is_control else "method"
    named = {"suite": submission.suite, "submission": submission.name, "kind": kind}
    return {**named, "title": submission.title, "tasks": list(submission.checkpoints), "paper": submission.paper}


@command.command()
@click.argument("submissions", nargs=-1)
@click.option("--task", "only", help="Check the checkpoint of one task only.")
@click.option("--no-weights", is_flag=True, help="Check the files' fields only; load no weights.")
@root_option
@json_option
def check(submissions: tuple[str, ...], only: str | None, no_weights: bool, root: Path | None, as_json: bool) -> None:
    """Check submissions: the file's fields, and that every checkpoint loads and changes the base.

    \b
    Example:  unconceal submissions check esd-x
              unconceal submissions check --no-weights
    """
    data = DataRoot.find(root)
    found = [load_submission(data, name) for name in submissions] if submissions else _all(data)
    judged = _declared if no_weights else partial(_applied, data)
    rows = [row for submission in found for row in judged(submission, only)]
    if only and not rows:
        raise UsageError(f"task {only!r}", "has no checkpoint in these submissions", "see `unconceal submissions list`")
    echo_rows(rows, as_json)
    wrong = sum(row["result"] != "ok" for row in rows)
    if wrong:
        raise CheckFailed(f"{wrong} of {len(rows)} checkpoints", "cannot be evaluated", "correct what the table says of them")


def _all(root: DataRoot) -> list[Submission]:
    misplaced = [problem for problem in strays(root) if problem.file.is_relative_to(root.submissions)]
    if misplaced:
        raise SpecProblems(misplaced)
    if not submission_files(root):
        raise UsageError(str(root.submissions), "holds no submission", "add submissions/<suite>/<name>.yaml")
    return list(all_submissions(root))


def _declared(submission: Submission, only: str | None) -> Iterator[Row]:
    """What each checkpoint is said to be, a row per task."""
    for task, checkpoint in submission.checkpoints.items():
        if only in (None, task):
            yield {"submission": submission.name, "task": task, "format": checkpoint.format, "result": "ok"}


def _applied(root: DataRoot, submission: Submission, only: str | None) -> Iterator[Row]:
    """What each checkpoint did to the base, a row per task."""
    from unconceal.checkpoints.pipeline import load_base

    pipe = load_base(resolve_path(load_suite(root, submission.suite).base.path, root))
    for task, checkpoint in submission.checkpoints.items():
        if only in (None, task):
            yield {"submission": submission.name, "task": task, **_outcome(pipe, root, checkpoint)}


def _outcome(pipe: StableDiffusionPipeline, root: DataRoot, checkpoint: Checkpoint) -> Row:
    from unconceal.checkpoints.apply import apply

    path = resolve_path(checkpoint.path, root) if checkpoint.path else None
    try:
        _, applied = apply(pipe, path, checkpoint.format, checkpoint.sha256)
    except CheckFailed as error:
        return {"format": checkpoint.format, "changed": None, "relative_change": None, "result": str(error)}
    parts = applied.components.items()
    changed = [f"{name} {part.changed}/{part.matched}" for name, part in parts]
    change = [f"{name} {part.relative_change:.3g}" for name, part in parts]
    return {"format": applied.format, "changed": changed, "relative_change": change, "result": "ok"}
