"""The Python API: evaluate submissions, and load specs and records by name."""

from __future__ import annotations

from pathlib import Path

from unconceal.paths import DataRoot
from unconceal.results import result_tables as results
from unconceal.specs import loader as specs
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import TierName
from unconceal.specs.task import Task


def evaluate(task: str, submission: str, tier: TierName = "full", root: Path | None = None, threads: int | None = None) -> Record:
    """Evaluate one submission on one task; finished work is reused.

    Args:
        task: the task's id, ``object/star``.
        submission: the submission's name, ``esd-x``.
        tier: ``quick`` or ``full``.
        root: the folder that holds tasks/, submissions/ and results/; see :class:`unconceal.paths.DataRoot`.
        threads: processor threads; all cores by default. Part of the identity of the images.

    Returns:
        The record with its verdict.

    Raises:
        UnconcealError: a spec, a checkpoint or the environment is at fault; the message is one line with a remedy.
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.execution.scheduler import schedule

    data = DataRoot.find(root)
    loaded = specs.load_task(data, task)
    evaluation = Evaluation(specs.load_suite(data, loaded.suite), data, tier, threads=threads or usable_cores())
    return schedule(evaluation, [(loaded, specs.load_submission(data, f"{loaded.suite}/{submission}"))])[0]


def load_task(task: str, root: Path | None = None) -> Task:
    """A task by its id, ``object/star``, or with its suite, ``miniature:object/star``.

    Args:
        task: name of the task.
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`.

    Returns:
        The validated task.

    Raises:
        UsageError: the task does not exist, or several suites have one of this name.
        SpecProblems: its file is invalid; all mistakes, each with its line.
    """
    return specs.load_task(DataRoot.find(root), task)


def load_submission(submission: str, root: Path | None = None) -> Submission:
    """A submission by its name, ``esd-x``, or with its suite, ``miniature/esd-x``.

    Args:
        submission: name of the submission.
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`.

    Returns:
        The validated submission.

    Raises:
        UsageError: the submission does not exist, or several suites have one of this name.
        SpecProblems: its file is invalid; all mistakes, each with its line.
    """
    return specs.load_submission(DataRoot.find(root), submission)


def load_results(root: Path | None = None) -> tuple[Record, ...]:
    """All records of all suite versions.

    Args:
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`.

    Returns:
        The records, each checked against its digest.

    Raises:
        CheckFailed: a record is broken or was altered.
    """
    folders = DataRoot.find(root).result_folders
    versions = results.suite_versions(folders)
    return tuple(row.record for suite, version in versions for row in results.load_records(folders, suite, version))
