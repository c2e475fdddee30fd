"""``unconceal tasks``: list, show, check, pin and judge tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError, listed
from unconceal.paths import DataRoot, resolve_path
from unconceal.rerun.lint_paraphrases import lint_paraphrases
from unconceal.specs import fill_digests, json_schema
from unconceal.specs import lint_task as lints
from unconceal.specs.document import Document
from unconceal.specs.judge_training import gate_error
from unconceal.specs.loader import (
    all_tasks,
    load_all,
    load_paraphrases,
    load_probes,
    load_suite,
    load_task,
    misplaced_files,
    paraphrases_file,
    probe_files,
    suite_file,
    suite_names,
    task_files,
)
from unconceal.specs.problems import Problem, SpecProblems, dotted_name
from unconceal.specs.spec import UNPINNED, Mistake
from unconceal.specs.suite import Suite
from unconceal.specs.task import Prompt, Task

WARNINGS = frozenset({"probes.long-attack"})
"""Codes of what cannot be corrected within a suite's version: probe sets are frozen."""


@click.group()
def command() -> None:
    """List, show and check the tasks; train a suite's concept judge.

    \b
    Example:  unconceal tasks show object/star
    """


@command.command("list")
@root_option
@json_option
def list_(root: Path | None, as_json: bool) -> None:
    """List all tasks.

    \b
    Example:  unconceal tasks list --json
    """
    tasks = all_tasks(DataRoot.find(root))
    echo_rows([_row(task) for task in tasks], as_json, "no tasks")


def _row(task: Task) -> dict[str, object]:
    counts = {"forget": len(task.forget), "retain": len(task.retain)}
    return {"suite": task.suite, "task": task.id, "title": task.title, **counts, "golds": len(task.golds), "gold_kind": task.gold_kind}


@command.command()
@click.argument("task")
@root_option
@json_option
def show(task: str, root: Path | None, as_json: bool) -> None:
    """Show one task with all its prompts.

    \b
    Example:  unconceal tasks show object/star
    """
    loaded = load_task(DataRoot.find(root), task)
    if as_json:
        click.echo(loaded.model_dump_json(indent=2))
        return
    for name in ("suite", "id", "title", "license", "gold_kind"):
        click.echo(f"{name:<10} {getattr(loaded, name)}")
    for name in ("aliases", "golds", "references"):
        click.echo(f"{name:<10} {', '.join(getattr(loaded, name)) or '-'}")
    click.echo(f"{'judge':<10} {loaded.judge.head}: {loaded.judge.label}")
    _echo_prompts("forget", loaded.forget)
    _echo_prompts("retain", loaded.retain)


def _echo_prompts(split: str, prompts: tuple[Prompt, ...]) -> None:
    click.echo(f"\n{split} ({len(prompts)} prompts)")
    for prompt in prompts:
        click.echo(f"  {prompt.text}" + (f"  [{prompt.head}: {prompt.concept}]" if prompt.concept else ""))


@command.command()
@click.argument("tasks", nargs=-1)
@root_option
@json_option
def lint(tasks: tuple[str, ...], root: Path | None, as_json: bool) -> None:
    """Check tasks and their suites, and list every mistake of every file.

    \b
    Example:  unconceal tasks lint
              unconceal tasks lint object/star
              unconceal tasks lint --json
    """
    data = DataRoot.find(root)
    problems = list(misplaced_files(data)) if not tasks else []
    names = tasks or [f"{suite_name}:{name}" for suite_name, name, _ in task_files(data)]
    for name in names:
        problems += [*_problems_of(data, name), *_problems_of_probes(data, name)]
    for name in () if tasks else suite_names(data):
        problems += [*_problems_of_suite(data, name), *_problems_of_paraphrases(data, name)]
    warnings = [problem for problem in problems if problem.code in WARNINGS]
    problems = [problem for problem in problems if problem.code not in WARNINGS]
    if as_json:
        rows = {"problems": [asdict(problem) for problem in problems], "warnings": [asdict(warning) for warning in warnings]}
        click.echo(json.dumps({"tasks": len(names), **rows}, indent=2, default=str))
    if problems:
        raise SpecProblems(problems)
    for line in listed(f"warning: {warning} [{warning.code}]" for warning in warnings):
        click.echo(line, err=True)
    if not as_json:
        click.echo(f"{len(names)} tasks: no mistakes")


def _problems_of(root: DataRoot, name: str) -> list[Problem]:
    """A task's mistakes: its schema's first, its lints where there are none."""
    try:
        task = load_task(root, name)
        suite = load_suite(root, task.suite)
    except SpecProblems as error:
        return list(error.problems)
    document = Document.read(next(path for suite_name, task_id, path in task_files(root) if (suite_name, task_id) == (task.suite, task.id)))
    return [
        document.problem(mistake) for mistake in (*lints.lint(task, suite), *_ungated(root, task, suite), *_too_long(root, task, suite))
    ]


def _too_long(root: DataRoot, task: Task, suite: Suite) -> Iterator[Mistake]:
    """Prompts that the suite's tokenizers cut, where they are on this machine."""
    from unconceal.evaluation.prompt_limits import limits_at_hand, lint_lengths

    return lint_lengths(task, limits_at_hand(suite, root))


def _ungated(root: DataRoot, task: Task, suite: Suite) -> Iterator[Mistake]:
    """A concept that the suite's judge, once it is pinned, may not be asked about."""
    pinned = suite.judges.concept
    if pinned.is_draft or pinned.repo is not None:
        return
    refused = gate_error(task, resolve_path(pinned.path, root), pinned.digest)
    if refused is not None:
        yield Mistake(refused.code, ("judge", "label"), refused.value, refused.consequence, refused.remedy)


def _problems_of_probes(root: DataRoot, name: str) -> Iterator[Problem]:
    """The mistakes of a task's frozen probe sets; none are looked for while the task itself or its suite has some."""
    from unconceal.evaluation.prompt_limits import limits_at_hand, lint_attack_lengths

    try:
        task = load_task(root, name)
        suite = load_suite(root, task.suite)
    except SpecProblems:
        return
    for path in [path for suite_name, task_id, _, path in probe_files(root) if (suite_name, task_id) == (task.suite, task.id)]:
        try:
            probes = load_probes(root, task, path.stem)
        except SpecProblems as error:
            yield from error.problems
        else:
            mistakes = (*lints.lint_probes(probes, task, path), *lint_attack_lengths(probes, limits_at_hand(suite, root)))
            yield from map(Document.read(path).problem, mistakes)


def _problems_of_paraphrases(root: DataRoot, suite: str) -> list[Problem]:
    """The mistakes of a suite's paraphrases; none are looked for while a task has some."""
    try:
        paraphrases = load_paraphrases(root, suite)
        tasks = load_all(partial(load_task, root, f"{suite}:{name}") for suite_name, name, _ in task_files(root) if suite_name == suite)
    except SpecProblems as error:
        return [problem for problem in error.problems if problem.file == paraphrases_file(root, suite)]
    document = Document.read(paraphrases_file(root, suite)) if paraphrases else None
    return [document.problem(mistake) for mistake in lint_paraphrases(paraphrases, tasks)] if paraphrases and document else []


def _problems_of_suite(root: DataRoot, name: str) -> list[Problem]:
    try:
        suite: Suite = load_suite(root, name)
    except SpecProblems as error:
        return list(error.problems)
    if suite.draft:
        return []
    document = Document.read(suite_file(root, name))
    consequence = "is not pinned, so a change would go unnoticed"
    return [
        document.problem(
            Mistake("suite.not-pinned", (*location, "digest"), dotted_name(location), consequence, "run `unconceal tasks pin`")
        )
        for location, part in fill_digests.pinned_parts(suite)
        if part.digest == UNPINNED
    ]


@command.command("schema")
@click.argument("name", required=False, type=click.Choice(list(json_schema.SPECS)))
@click.option("--check", is_flag=True, help="Write nothing; fail if a schema is stale.")
@root_option
def schema_(name: str | None, check: bool, root: Path | None) -> None:
    """Print one JSON Schema, or write all of them to schemas/ of the data root.

    \b
    Example:  unconceal tasks schema task
              unconceal tasks schema --check
    """
    if name:
        click.echo(json_schema.schema_text(json_schema.SPECS[name]), nl=False)
        return
    folder = _writable(DataRoot.find(root)).tasks.parent / "schemas"
    if not check:
        click.echo("\n".join(map(str, json_schema.write_schemas(folder))))
        return
    stale = [path.name for path in json_schema.stale_schemas(folder)]
    if stale:
        raise CheckFailed(
            "schema.stale", ", ".join(stale), "do not match the specs, so editors would mislead", "run `unconceal tasks schema`"
        )
    click.echo(f"{len(json_schema.SPECS)} schemas: up to date")


@command.command()
@click.argument("suite", required=False)
@root_option
def pin(suite: str | None, root: Path | None) -> None:
    """Fill in the digests of a suite's base, judges and stored checkpoints.

    \b
    Example:  unconceal tasks pin miniature
    """
    data = _writable(DataRoot.find(root))
    for loaded_suite in load_all([partial(load_suite, data, name) for name in ([suite] if suite else suite_names(data))]):
        changed = fill_digests.pin_suite(data, loaded_suite.name)
        if any(part.repo for _, part in fill_digests.pinned_parts(loaded_suite)):
            from unconceal.hub.pin_submission import pin_hub_models

            changed |= pin_hub_models(data, loaded_suite.name)
        if changed and any((data.results / loaded_suite.id).rglob("*.json")):
            click.echo(
                f"warning: {loaded_suite.id} has records that were made with other models; raise `version` in its suite.yaml", err=True
            )
        changed |= fill_digests.pin_submissions(data, loaded_suite.name)
        for location, digest in changed.items():
            click.echo(f"{location}  {digest}")
        click.echo(f"{loaded_suite.name}: {len(changed)} digests changed")


@command.command()
@click.argument("suite")
@click.option("--gate", "gate_only", is_flag=True, help="Show the gate of the existing judge; train nothing.")
@click.option("--dry-run", is_flag=True, help="Print what would be generated; generate nothing.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Forward passes in one call of the denoiser.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True, help="Precision of the base."
)
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Folder of the image store.")
@root_option
def judge(
    suite: str,
    gate_only: bool,
    dry_run: bool,
    threads: int | None,
    batch_size: int,
    device: str,
    dtype: str,
    store: Path | None,
    root: Path | None,
) -> None:
    """Train a suite's concept judge on images of the base, test it on held-out prompts, and pin it.

    Done once per suite version. The same command resumes.

    \b
    Example:  unconceal tasks judge sd14 --dry-run
              unconceal tasks judge sd14 --dtype bfloat16
    """
    from unconceal.cli import judge
    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.progress import progress

    data = DataRoot.find(root)
    data = replace(data, store=store or data.store)
    loaded = load_suite(data, suite)
    if gate_only:
        judge.echo_gate(resolve_path(loaded.judges.concept.path, data), judge.tasks_of(data, loaded))
        return
    with progress() as bars:
        where, cores = resolve_device(device), threads or usable_cores()
        evaluation = Evaluation(loaded, data, next(iter(loaded.tiers)), where, dtype, cores, batch_size, progress=bars)
        if dry_run:
            judge.echo_plan(evaluation, data)
        else:
            judge.make(evaluation, _writable(data))


def _writable(root: DataRoot) -> DataRoot:
    if root.read_only:
        remedy = "work in a clone, or name a folder with --root"
        raise UsageError("suite.read-only", str(root.tasks.parent), "is the installed copy, which is read-only", remedy)
    return root
