"""What ``run`` and ``score`` are asked: which submissions on which tasks, and how."""

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


def pairs_of(data: DataRoot, submissions: Sequence[str], tasks: Sequence[str]) -> tuple[str, list[tuple[Task, Submission]]]:
    """The suite, and every (task, submission) asked for; each file is read once.

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
    asked = [(bare(task), submission) for submission in loaded for task in dict.fromkeys(tasks or submission.checkpoints)]
    known = {name: with_dataset_prompts(load_task(data, f"{suites[0]}:{name}")) for name in dict.fromkeys(name for name, _ in asked)}
    return suites[0], [(known[name], submission) for name, submission in asked]


def bare(task: str) -> str:
    """A task's id without its suite."""
    return task.partition(":")[2] or task


def evaluation_of(
    data: DataRoot,
    suite: str,
    shown: Progress,
    threads: int | None,
    batch: int,
    device: str,
    dtype: str,
    fast: Sequence[str],
    workers: int = 1,
    **more: Any,
) -> Evaluation:
    """The evaluation that options describe; ``workers``: among how many processes the cores are shared."""
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.specs.loader import load_suite

    each = threads or max(1, usable_cores() // workers)
    named = resolve_device(device)
    return Evaluation(
        load_suite(data, suite),
        data,
        device=named,
        dtype=dtype,
        threads=each,
        batch_size=batch,
        progress=shown,
        optimizations=tuple(sorted(set(fast))),
        **more,
    )


def tell(evaluation: Evaluation, records: Sequence[Record]) -> None:
    """Each verdict, and where its record lies."""
    for record in records:
        click.echo(f"{record.submission} on {record.task} ({record.tier}): {record.verdict.label}. {record.verdict.reason}")
        click.echo(f"  {record.path(evaluation.root.results)}")
