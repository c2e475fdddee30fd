"""Resolve the arguments of ``run`` and ``rescore``: submissions, tasks and the evaluation's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.progress import Progress
    from unconceal.specs.record import Record
    from unconceal.specs.submission import Submission
    from unconceal.specs.task import Task


def resolve_pairs(data: DataRoot, submissions: Sequence[str], tasks: Sequence[str]) -> tuple[str, list[tuple[Task, Submission]]]:
    """The suite, and all requested pairs of task and submission. Each file is read once.

    Raises:
        UsageError: a name is unknown, or they belong to several suites.
    """
    from unconceal.hub.dataset_prompts import with_dataset_prompts
    from unconceal.specs.loader import load_submission, load_task

    loaded = [load_submission(data, name) for name in dict.fromkeys(submissions)]
    suites = sorted({submission.suite for submission in loaded})
    if len(suites) > 1:
        raise UsageError(
            "submission.several-suites",
            ", ".join(submissions),
            f"belong to several suites ({', '.join(suites)})",
            "run one suite at a time",
        )
    names = [(task_id(task), submission) for submission in loaded for task in dict.fromkeys(tasks or submission.checkpoints)]
    task_by_name = {name: with_dataset_prompts(load_task(data, f"{suites[0]}:{name}")) for name in dict.fromkeys(name for name, _ in names)}
    return suites[0], [(task_by_name[name], submission) for name, submission in names]


def task_id(task: str) -> str:
    """A task's id without its suite."""
    return task.partition(":")[2] or task


def evaluation_of(
    data: DataRoot,
    suite: str,
    progress: Progress,
    threads: int | None,
    batch_size: int,
    device: str,
    dtype: str,
    optimize: Sequence[str],
    workers: int = 1,
    fresh_seed: int | None = None,
    **more: Any,
) -> Evaluation:
    """The evaluation for the given options. Cores are shared among ``workers`` processes. ``fresh_seed``: of a fresh re-run."""
    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.rerun.fresh_specs import fresh_suite
    from unconceal.specs.loader import load_suite

    published, n_threads = load_suite(data, suite), threads or max(1, usable_cores() // workers)
    return Evaluation(
        published if fresh_seed is None else fresh_suite(published, fresh_seed),
        data,
        device=resolve_device(device),
        dtype=dtype,
        threads=n_threads,
        batch_size=batch_size,
        progress=progress,
        optimizations=tuple(sorted(set(optimize))),
        fresh_seed=fresh_seed,
        **more,
    )


def echo_verdicts(evaluation: Evaluation, records: Sequence[Record]) -> None:
    """Print each verdict with its code and the path of its record."""
    for record in records:
        verdict = record.verdict
        click.echo(f"{record.submission} on {record.task} ({record.tier}): {verdict.title} ({verdict.reason}) [{verdict.code}]")
        click.echo(f"  {record.path(evaluation.root.results)}")
