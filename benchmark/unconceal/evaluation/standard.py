"""Protocol ``standard``: one submission on one task, both arms over the whole grid, read against golds."""

from __future__ import annotations

import time

from unconceal.evaluation import measure as measuring
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.scoring import looks, score
from unconceal.evaluation.settle import settle
from unconceal.evaluation.strip import strip_path, write_strip
from unconceal.generate.identity import Shard
from unconceal.generate.plan import build_plan
from unconceal.generate.worker import Worker, rows_of
from unconceal.specs.record import Record, Timing, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


def shards(evaluation: Evaluation, task: Task, submission: Submission) -> list[Shard]:
    """Everything that is to be generated."""
    return evaluation.plan(task, submission).shards


def measure(evaluation: Evaluation, task: Task, submission: Submission) -> Record:
    """Generate, judge, and write the record and its strip of pictures."""
    started = time.perf_counter()
    evaluation.instruments.check(task)
    original, unlearned, applied = evaluation.models(task, submission)
    base, tier, progress = evaluation.suite.base.digest, evaluation.tier, evaluation.progress
    plan = build_plan(evaluation.suite, tier, task, base, applied.sha256 or base, evaluation.layout)
    label = f"{submission.name} on {task.id}"
    stage = progress.stage(f"{label}: generating", sum(map(rows_of, plan.shards)))
    worker = Worker(evaluation.store, original, unlearned, stage.advance)
    pictures = measuring.generate_all(worker, plan)
    generated = time.perf_counter()
    found = score(evaluation.instruments, tier, task, plan, pictures, progress.stage(f"{label}: judging", looks(tier)))
    seconds = {"generate": generated - started, "judge": time.perf_counter() - generated}
    record = evaluation.record(task, submission, applied, found, Timing(seconds=seconds, denoiser_evaluations=worker.evaluations))
    path = evaluation.place(task, submission.name)
    write_record(record, path)
    write_strip(plan.evaluation, pictures["evaluation"], strip_path(path), task.category)
    return record


def settled(evaluation: Evaluation, task: Task, record: Record) -> Record:
    """The record read against the golds there are; written when that changed it."""
    fresh = settle(record, evaluation.golds(task), evaluation.suite, task)
    if fresh.digest != record.digest:
        write_record(fresh, evaluation.place(task, record.submission))
    return fresh
