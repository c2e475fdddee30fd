"""``unconceal submissions``: unlearned checkpoints, one file per method."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError
from unconceal.hub.local_weights import locate
from unconceal.paths import DataRoot
from unconceal.progress import progress
from unconceal.specs.loader import (
    all_submissions,
    is_draft_suite,
    load_submission,
    load_suite,
    load_task,
    misplaced_files,
    submission_files,
    task_files,
)
from unconceal.specs.problems import SpecProblems
from unconceal.specs.submission import Checkpoint, Submission

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from unconceal.checkpoints.apply import AppliedCheckpoint

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
    drafts = [task for task, checkpoint in submission.checkpoints.items() if checkpoint.is_draft]
    return {**named, "title": submission.title, "tasks": list(submission.checkpoints), "drafts": drafts, "paper": submission.paper}


@command.command()
@click.argument("submissions", nargs=-1)
@click.option("--task", "only", help="Check the checkpoint of one task only.")
@click.option("--no-weights", is_flag=True, help="Check the files' fields only; load no weights.")
@click.option(
    "--render",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw one prompt with the base and with each checkpoint into this folder.",
)
@root_option
@json_option
def check(submissions: tuple[str, ...], only: str | None, no_weights: bool, render: Path | None, root: Path | None, as_json: bool) -> None:
    """Check submissions: the file's fields, and that every checkpoint loads and changes the base.

    \b
    Example:  unconceal submissions check esd-x
              unconceal submissions check esd-x --render pictures
              unconceal submissions check --no-weights
    """
    if render and no_weights:
        raise UsageError(
            "submission.conflicting-options",
            "--render with --no-weights",
            "asks for pictures of weights that are not loaded",
            "leave one of them out",
        )
    data = DataRoot.find(root)
    found = [load_submission(data, name) for name in submissions] if submissions else _all(data)
    judged = _declared if no_weights else partial(_applied, data, render)
    with progress() as shown:
        stage = shown.stage("checking", sum(only in (None, task) for submission in found for task in submission.checkpoints))
        rows = []
        for row in chain.from_iterable(judged(submission, only) for submission in found):
            stage.advance()
            rows.append(row)
    if only and not rows:
        raise UsageError(
            "submission.no-checkpoint", f"task {only!r}", "has no checkpoint in these submissions", "see `unconceal submissions list`"
        )
    echo_rows(rows, as_json)
    wrong = sum(row["result"] != "ok" for row in rows)
    if wrong:
        raise CheckFailed(
            "submission.check-failed", f"{wrong} of {len(rows)} checkpoints", "cannot be evaluated", "correct what the table says of them"
        )


def _writable(root: Path | None) -> DataRoot:
    data = DataRoot.find(root)
    if data.read_only:
        raise UsageError(
            "submission.read-only", "the packaged submissions", "cannot be written", "work in a clone, or name a folder with --root"
        )
    return data


def _all(root: DataRoot) -> list[Submission]:
    misplaced = [problem for problem in misplaced_files(root) if problem.file.is_relative_to(root.submissions)]
    if misplaced:
        raise SpecProblems(misplaced)
    if not submission_files(root):
        raise UsageError("submission.none", str(root.submissions), "holds no submission", "add submissions/<suite>/<name>.yaml")
    return [submission for submission in all_submissions(root) if not is_draft_suite(root, submission.suite)]


def _declared(submission: Submission, only: str | None) -> Iterator[Row]:
    """What each checkpoint is said to be, a row per task."""
    for task, checkpoint in submission.checkpoints.items():
        if only in (None, task):
            yield {"submission": submission.name, "task": task, "format": checkpoint.format, "result": "ok"}


def _applied(root: DataRoot, render: Path | None, submission: Submission, only: str | None) -> Iterator[Row]:
    """What each checkpoint did to the base, a row per task."""
    from unconceal.checkpoints.base_pipeline import load_base
    from unconceal.diffusion.families import FAMILIES
    from unconceal.hub.pinned_models import local_path

    suite = load_suite(root, submission.suite)
    pipe = load_base(local_path(suite.base, root), kind=FAMILIES[suite.family].pipeline_class)
    for name, checkpoint in submission.checkpoints.items():
        if only in (None, name):
            row, applied, unlearned = _outcome(pipe, root, checkpoint)
            if render and applied and unlearned:
                from unconceal.evaluation.preview import write_preview

                task = load_task(root, f"{submission.suite}:{name}")
                picture = render / f"{submission.name}.{task.concept}.png"
                row |= write_preview(suite, task, pipe, unlearned, applied, picture)
            yield {"submission": submission.name, "task": name, **row}


def _outcome(
    pipe: StableDiffusionPipeline, root: DataRoot, checkpoint: Checkpoint
) -> tuple[Row, AppliedCheckpoint | None, StableDiffusionPipeline | None]:
    from unconceal.checkpoints.apply import apply

    try:
        unlearned, applied = apply(pipe, locate(checkpoint, root), checkpoint.format, checkpoint.sha256, checkpoint.component)
    except CheckFailed as error:
        return {"format": checkpoint.format, "changed": None, "relative_change": None, "left_out": None, "result": str(error)}, None, None
    parts = applied.components.items()
    changed = [f"{name} {part.changed}/{part.matched}" for name, part in parts]
    change = [f"{name} {part.relative_change:.3g}" for name, part in parts]
    row: Row = {"format": applied.format, "changed": changed, "relative_change": change, "left_out": list(applied.unused_parts), "result": "ok"}
    return row, applied, unlearned


@command.command()
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION…")
@root_option
def pin(submissions: tuple[str, ...], root: Path | None) -> None:
    """Resolve branches on the Hub to commits, download the weights, and write commits and digests into the files.

    \b
    Example:  unconceal submissions pin my-method
    """
    from unconceal.hub.pin_submission import pin_submission as pin_one

    data = _writable(root)
    for name in submissions:
        changed = pin_one(data, load_submission(data, name))
        for place, value in changed.items():
            click.echo(f"{name}: {place} = {value}")
        if not changed:
            click.echo(f"{name}: pinned already")


@command.command()
@root_option
def new(root: Path | None) -> None:
    """Ask for a method and its checkpoints, and write a submission.

    \b
    Example:  unconceal submissions new
    """
    from unconceal.specs.submission_draft import QUESTIONS, available_suites, parse_checkpoint, write_submission

    data = _writable(root)
    suite = click.prompt("Suite", type=click.Choice(list(available_suites(data))), default=available_suites(data)[0])
    fields = {name: click.prompt(asked, default="" if optional else None, show_default=False) for name, asked, optional in QUESTIONS}
    click.echo("Weights for each task: owner/name@revision, owner/name@revision/file, or a path in the data root; empty: none.")
    tasks = [name for of, name, _ in task_files(data) if of == suite]
    said = {task: click.prompt(f"  {task}", default="", show_default=False) for task in tasks}
    checkpoints = {task: parse_checkpoint(text) for task, text in said.items() if text.strip()}
    path = write_submission(data, suite, fields, checkpoints)
    click.echo(f"{path}: written. Next: `unconceal submissions pin {fields['name']}`, then `unconceal submissions check {fields['name']}`.")
