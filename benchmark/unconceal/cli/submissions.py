"""``unconceal submissions``: unlearned checkpoints, one file per method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError
from unconceal.hub.local_weights import require_weights
from unconceal.hub.twins import OwnWeights, weights_of_suite
from unconceal.paths import DataRoot
from unconceal.progress import progress
from unconceal.specs.controls import check_no_twin, twin_of
from unconceal.specs.loader import (
    all_submissions,
    is_draft_suite,
    load_controls,
    load_submission,
    load_suite,
    load_task,
    misplaced_files,
    submission_files,
    task_files,
)
from unconceal.specs.problems import Problem, SpecProblems
from unconceal.specs.submission import Checkpoint, Submission, is_control_name

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from unconceal.checkpoints.apply import AppliedCheckpoint
    from unconceal.specs.submission_draft import Draft
    from unconceal.specs.suite import Suite

Row = dict[str, Any]
MAX_TITLE = 48
"""Characters of a title in a list."""
NOT_HERE = "checkpoint.not-here"


@click.group()
def command() -> None:
    """List and check the submissions: unlearned checkpoints.

    \b
    Example:  unconceal submissions check esd-x
    """


@command.command("list")
@root_option
@json_option
def list_(root: Path | None, as_json: bool) -> None:
    """List all submissions. Details: `unconceal submissions show NAME`.

    \b
    Example:  unconceal submissions list
              unconceal submissions list --json
    """
    details = [_details(submission) for submission in all_submissions(DataRoot.find(root))]
    echo_rows(details if as_json else [_summary(row) for row in details], as_json, "no submissions")


@command.command()
@click.argument("name")
@root_option
@json_option
def show(name: str, root: Path | None, as_json: bool) -> None:
    """Show a submission: its method, paper, tasks and drafts.

    \b
    Example:  unconceal submissions show miniature/esd-x
    """
    row = _details(load_submission(DataRoot.find(root), name))
    if as_json:
        echo_rows([row], as_json)
        return
    for field, value in row.items():
        lines = value if isinstance(value, list) else [value]
        click.echo(f"{field + ':':<12}{f'{chr(10)}{12 * chr(32)}'.join(map(str, lines)) if lines else 'none'}")


def _details(submission: Submission) -> Row:
    kind = "gold" if submission.is_gold else "control" if submission.is_control else "method"
    drafts = [task for task, checkpoint in submission.checkpoints.items() if checkpoint.is_draft]
    identity = {"suite": submission.suite, "submission": submission.name, "kind": kind, "title": submission.title}
    return {**identity, "tasks": list(submission.checkpoints), "drafts": drafts, "paper": submission.paper}


def _summary(row: Row) -> Row:
    """A row that fits 120 columns: counts in place of lists, a shortened title, no paper."""
    title = row["title"] if len(row["title"]) <= MAX_TITLE else row["title"][: MAX_TITLE - 1] + "…"
    row = {field: value for field, value in row.items() if field != "paper"}
    return {**row, "title": title, "tasks": len(row["tasks"]), "drafts": len(row["drafts"]) or ""}


@command.command()
@click.argument("submissions", nargs=-1)
@click.option("--task", "only", help="Check the checkpoint of one task only.")
@click.option("--no-weights", is_flag=True, help="Check the files' fields only; load no weights.")
@click.option(
    "--render",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write an image of the base and of each checkpoint for one prompt into this folder.",
)
@root_option
@json_option
def check(submissions: tuple[str, ...], only: str | None, no_weights: bool, render: Path | None, root: Path | None, as_json: bool) -> None:
    """Check the fields of submissions, and that every checkpoint loads and changes the base.

    \b
    Example:  unconceal submissions check esd-x
              unconceal submissions check esd-x --render previews
              unconceal submissions check --no-weights
    """
    if render and no_weights:
        raise UsageError(
            "submission.conflicting-options",
            "--render with --no-weights",
            "needs weights, which are not loaded then",
            "leave one of them out",
        )
    data = DataRoot.find(root)
    selected, problems = _selected(data, submissions)
    check_rows = _declared if no_weights else partial(_applied, data, render)
    with progress() as bars:
        stage = bars.stage("checking", sum(only in (None, task) for submission in selected for task in submission.checkpoints))
        rows = []
        for row in chain.from_iterable(check_rows(submission, only) for submission in selected):
            stage.advance()
            rows.append(row)
    _refuse_twins_by_suite(data, rows)
    if only and not rows and not problems:
        raise UsageError(
            "submission.no-checkpoint", f"task {only!r}", "has no checkpoint in these submissions", "see `unconceal submissions list`"
        )
    echo_rows(rows, as_json)
    if problems:
        raise SpecProblems(problems)
    absent = [row for row in rows if row.get("code") == NOT_HERE]
    wrong = sum(not row["result"].startswith("ok") for row in rows) - len(absent)
    if wrong:
        raise CheckFailed(
            "submission.check-failed", f"{wrong} of {len(rows)} checkpoints", "cannot be evaluated", "correct what the table says of them"
        )
    if absent:
        consequence = "were not checked: their weights are not on this machine, as the repository does not contain them"
        raise EnvironmentFault(NOT_HERE, f"{len(absent)} of {len(rows)} checkpoints", consequence, "follow the table's results")


def _writable(root: Path | None) -> DataRoot:
    data = DataRoot.find(root)
    if data.read_only:
        raise UsageError(
            "submission.read-only", "the packaged submissions", "cannot be written", "work in a clone, or name a folder with --root"
        )
    return data


def _selected(root: DataRoot, names: tuple[str, ...]) -> tuple[list[Submission], list[Problem]]:
    """The submissions of these names, or all of suites that are no drafts; and the mistakes of those that cannot be read."""
    problems = [problem for problem in misplaced_files(root) if problem.file.is_relative_to(root.submissions)] if not names else []
    if problems:
        raise SpecProblems(problems)
    files = [f"{file.suite}/{file.name}" for file in submission_files(root) if not is_draft_suite(root, file.suite)]
    if not names and not submission_files(root):
        raise UsageError("submission.none", str(root.submissions), "holds no submission", "add submissions/<suite>/<name>.yaml")
    selected = []
    for name in names or files:
        try:
            selected.append(load_submission(root, name))
        except SpecProblems as error:
            problems += error.problems
    return selected, problems


def refuse_twins(rows: list[Row], others: Iterable[OwnWeights] = ()) -> None:
    """Refuse rows with the weights of another submission for the task; the digest leaves the rows.

    Args:
        rows: of two with the same weights, the second is refused.
        others: submissions that were not checked.
    """
    first = {(weights.task, weights.digest): weights.submission for weights in others}
    for row in rows:
        digest = row.pop("sha256", None)
        twin = first.setdefault((row["task"], digest), row["submission"]) if digest else row["submission"]
        if twin != row["submission"] and not is_control_name(row["submission"]):
            error = CheckFailed("submission.twin", *twin_of(twin))
            row |= {"result": str(error), "code": error.code}


def _refuse_twins_by_suite(root: DataRoot, rows: list[Row]) -> None:
    """Rows are compared with each other and with all other submissions of their suite."""
    for suite in dict.fromkeys(row["suite"] for row in rows):
        own = [row for row in rows if row["suite"] == suite]
        others = weights_of_suite(root, suite, {row["submission"] for row in own}) if any(row.get("sha256") for row in own) else ()
        refuse_twins(own, others)
    for row in rows:
        del row["suite"]


def _declared(submission: Submission, only: str | None) -> Iterator[Row]:
    """The declared format of each checkpoint, one row per task."""
    for task, checkpoint in submission.checkpoints.items():
        if only in (None, task):
            row = {"submission": submission.name, "task": task, "format": declared_format(checkpoint), "result": "ok"}
            yield {"suite": submission.suite, **row}


def declared_format(checkpoint: Checkpoint) -> str:
    """The format, or the inference rule of a method without weights."""
    return checkpoint.format if checkpoint.inference is None else f"inference-time: {checkpoint.inference.rule}"


def _applied(root: DataRoot, render: Path | None, submission: Submission, only: str | None) -> Iterator[Row]:
    """How each checkpoint changes the base, one row per task."""
    from unconceal.checkpoints.base_pipeline import load_base
    from unconceal.diffusion.families import FAMILIES
    from unconceal.hub.pinned_models import local_path

    suite = load_suite(root, submission.suite)
    pipeline = load_base(local_path(suite.base, root), kind=FAMILIES[suite.family].pipeline_class)
    for name in submission.checkpoints:
        if only in (None, name):
            row = _outcome_in_child(pipeline, root, suite, submission, name)
            if render and not row["code"]:
                row, applied, unlearned = _outcome(pipeline, root, suite, submission, name)
                assert applied and unlearned
                from unconceal.evaluation.preview import write_preview

                task = load_task(root, f"{submission.suite}:{name}")
                path = render / f"{submission.name}.{task.concept}.png"
                row |= write_preview(suite, task, pipeline, unlearned, applied, path, submission.checkpoints[name].inference)
            yield {"suite": submission.suite, "submission": submission.name, "task": name, **row}


def _outcome_in_child(pipeline: StableDiffusionPipeline, root: DataRoot, suite: Suite, submission: Submission, task: str) -> Row:
    """The row of one checkpoint; a file that crashes, hangs or fills the memory of its reader costs this row alone."""
    from unconceal.checkpoints.file_limits import reading_limits
    from unconceal.hub.local_weights import locate
    from unconceal.sandbox.child import in_child

    checkpoint = submission.checkpoints[task]
    try:
        path = locate(checkpoint, root)
        if path is None:
            return _outcome(pipeline, root, suite, submission, task)[0]
        parts = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
        base_bytes = sum(tensor.nbytes for part in parts for tensor in part.parameters())
        limits = reading_limits(path, base_bytes)
        row: Row = in_child(str(path), lambda: _outcome(pipeline, root, suite, submission, task)[0], limits)
    except UnconcealError as error:
        if isinstance(error, EnvironmentFault) and error.code != NOT_HERE:
            raise
        row = {"format": checkpoint.format, "changed": None, "relative_change": None, "unused_parts": None}
        row |= {"result": str(error), "code": error.code}
    return row


def _outcome(
    pipeline: StableDiffusionPipeline, root: DataRoot, suite: Suite, submission: Submission, task: str
) -> tuple[Row, AppliedCheckpoint | None, StableDiffusionPipeline | None]:
    from unconceal.checkpoints.apply import apply_submitted
    from unconceal.diffusion.families import FAMILIES

    checkpoint = submission.checkpoints[task]
    row: Row = {"format": checkpoint.format, "changed": None, "relative_change": None, "unused_parts": None}
    try:
        path = require_weights(submission, task, root)
        unlearned, applied = apply_submitted(pipeline, path, checkpoint)
        check_no_twin(load_controls(root, submission.suite), submission, task, applied.sha256)
        FAMILIES[suite.family].load(unlearned, suite.sampler, applied.spm, rule=checkpoint.inference)
    except CheckFailed as error:
        return {**row, "result": str(error), "code": error.code}, None, None
    except EnvironmentFault as error:
        if error.code != NOT_HERE:
            raise
        return {**row, "result": f"not here; {error.remedy}", "code": error.code}, None, None
    parts = applied.components.items()
    changed = [f"{name} {part.changed}/{part.matched}" for name, part in parts]
    change = [f"{name} {part.relative_change:.3g}" for name, part in parts]
    row = {
        "format": applied.format if checkpoint.inference is None else declared_format(checkpoint),
        "changed": changed,
        "relative_change": change,
        "unused_parts": list(applied.unused_parts),
    }
    row |= {"result": "; ".join(("ok", *(f"warning: {warning}" for warning in applied.warnings))), "code": ""}
    row |= {"sha256": applied.sha256 if checkpoint.inference is None else None}
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
        for field, value in changed.items():
            click.echo(f"{name}: {field} = {value}")
        if not changed:
            click.echo(f"{name}: already pinned")


@command.command()
@root_option
def new(root: Path | None) -> None:
    """Write a submission from answers to questions about the method and its checkpoints. Interrupted, it goes on with the answers given.

    \b
    Example:  unconceal submissions new
    """
    from unconceal.specs.submission_draft import QUESTIONS, Draft, available_suites

    data = _writable(root)
    suite = click.prompt("Suite", type=click.Choice(list(available_suites(data))), default=available_suites(data)[0])
    draft = Draft(data, suite)
    if draft.answers:
        click.echo(f"Answers of an unfinished draft are the defaults; remove {draft.path} to begin anew.")
    for field, text, optional in QUESTIONS:
        _ask(draft, field, text, draft.base if field == "base" else "" if optional else None)
    click.echo("Weights for each task: owner/name@revision, owner/name@revision/file, or a path in the data root; empty: none.")
    click.echo("A method without weights: its inference rule, e.g. {rule: negative-prompt, prompt: star}.")
    while True:
        for task in [name for task_suite, name, _ in task_files(data) if task_suite == suite]:
            _ask(draft, task, f"  {task}", "", inspect=partial(_look, data, draft))
        if any("/" in question and value for question, value in draft.answers.items()):
            break
        click.echo("No task has weights yet: name them for at least one.")
    path, name = draft.write(), draft.answers["name"]
    click.echo(f"{path}: written. Next: `unconceal submissions pin {name}`, then `unconceal submissions check {name} --render previews`.")


def _ask(draft: Draft, question: str, text: str, default: str | None, inspect: Callable[[str], None] | None = None) -> None:
    """Ask until the answer is valid."""
    while True:
        kept = draft.answers.get(question) or default
        answer = click.prompt(text, default=kept, show_default=bool(kept))
        # A hyphen removes an answer that was kept.
        answer = "" if answer.strip() == "-" else answer
        try:
            draft.answer(question, answer)
            if inspect is not None and answer.strip():
                inspect(question)
        except UnconcealError as error:
            click.echo("\n".join(error.lines()), err=True)
            draft.answers.pop(question, None)
            continue
        return


def _look(root: DataRoot, draft: Draft, task: str) -> None:
    """Say what local weights hold; nothing is downloaded."""
    from unconceal.specs.submission_draft import parse_checkpoint

    reference = parse_checkpoint(draft.answers[task]).get("path")
    if reference is None:
        return
    from unconceal.checkpoints.folders import open_release
    from unconceal.checkpoints.inventory import inventory
    from unconceal.checkpoints.rehearsal import rehearse
    from unconceal.paths import resolve_path

    path = resolve_path(reference, root)
    rehearse(path)
    found, _ = inventory(open_release(path))
    click.echo(f"    {found}")
