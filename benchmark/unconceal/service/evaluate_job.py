"""Evaluates one job by the usual run, and leaves its files: the submission, the record with its strip, and the report page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically, write_below
from unconceal.paths import DataRoot
from unconceal.progress import Progress
from unconceal.results.strip_file import strip_path
from unconceal.service.job_queue import QueuedJob
from unconceal.service.service_config import ServiceConfig
from unconceal.specs.round_trip import yaml_text
from unconceal.specs.submission import CONTROL_PREFIX, Submission
from unconceal.specs.submission_draft import SCHEMA_COMMENT

PULL_REQUEST, REPORT = "pull-request", "report.html"
"""Names in a job's folder: the files for a pull request, as they lie in a clone; the report page."""


def evaluate_job(config: ServiceConfig, job: QueuedJob, progress: Progress) -> str:
    """Evaluate a job; finished work is reused.

    Returns:
        The verdict's title.

    Raises:
        UnconcealError: the checkpoint is not acceptable, or the machine fails.
    """
    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.execution.scheduler import schedule
    from unconceal.hub.dataset_prompts import with_dataset_prompts
    from unconceal.specs.loader import load_suite, load_task

    request, folder = job.request, config.job_folder(job.id)
    data = DataRoot.find(config.root)
    # Golds are compared with, so their records stand beside the new one while it is measured.
    results = folder / "work" / "results"
    root = replace(data, results=results, store=config.store or data.store, read_only=False)
    evaluation = Evaluation(
        load_suite(root, request.suite),
        root,
        request.tier,
        device=resolve_device(config.device),
        dtype=config.dtype,
        threads=config.threads or usable_cores(),
        batch_size=config.batch_size,
        progress=progress,
    )
    task, submission = with_dataset_prompts(load_task(root, f"{request.suite}:{request.task}")), request.submission()
    copy_controls(data, evaluation.suite.id, request.task, request.tier, results)
    (record,) = schedule(evaluation, [(task, submission)])
    path = record.path(results)
    if not path.is_file():
        raise CheckFailed("record.unreadable", str(path), "was not written, so there is nothing to publish", "ask the maintainer")
    publish(folder, path, path.relative_to(results), submission)
    write_report(data, results, submission, folder)
    return record.verdict.title


def copy_controls(data: DataRoot, suite_id: str, task: str, tier: str, results: Path) -> None:
    """Copy the records of a task's controls, and their strips, below another results folder."""
    target = results / suite_id / task
    target.mkdir(parents=True, exist_ok=True)
    for folder in data.result_folders:
        for path in sorted((folder / suite_id / task).glob(f"{CONTROL_PREFIX}*.standard-{tier}.*")):
            if path.is_file() and not path.is_symlink() and not (target / path.name).exists():
                write_atomically(target / path.name, path.read_bytes())


def publish(folder: Path, path: Path, relative: Path, submission: Submission) -> None:
    """Lay out the submission's file, its record and its strip as they lie in a clone."""
    content = submission.model_dump(mode="json", exclude_defaults=True)
    write_below(folder / PULL_REQUEST, f"submissions/{submission.suite}/{submission.name}.yaml", SCHEMA_COMMENT + yaml_text(content))
    for source in (path, strip_path(path)):
        if source.is_file():
            target = folder / PULL_REQUEST / "results" / relative.with_name(source.name)
            write_atomically(target, source.read_bytes())


def write_report(data: DataRoot, results: Path, submission: Submission, folder: Path) -> None:
    """Write the submission's report page."""
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import load_all_tables
    from unconceal.site.report import write_reports

    tables = load_all_tables((results,))
    selection = [(table, row) for table in tables if (row := table.find(submission.name)) is not None]
    sources = Sources(data, {f"{submission.suite}/{submission.name}": submission})
    (page,) = write_reports(selection, sources, folder / "work" / "report")
    shutil.copyfile(page, folder / REPORT)


def published_files(folder: Path) -> Iterator[str]:
    """The files for a pull request, as paths in a clone."""
    for path in sorted((folder / PULL_REQUEST).rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder / PULL_REQUEST).as_posix()
