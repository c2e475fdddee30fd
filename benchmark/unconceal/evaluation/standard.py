"""Protocol ``standard``: one submission on one task, both arms over the whole grid, read against golds."""

from __future__ import annotations

import time
from collections.abc import Mapping

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.evaluation import measurements as measuring
from unconceal.evaluation.compute_verdict import settle
from unconceal.evaluation.evaluation import Evaluation, judged_work
from unconceal.evaluation.image_scores import looks, score
from unconceal.evaluation.image_strip import strip_path, write_strip
from unconceal.evaluation.measurements import BlockImages
from unconceal.generate.generator import Generator, rows_of
from unconceal.generate.plan import Pair, Plan, build_plan
from unconceal.generate.stored_images import StoredImages
from unconceal.generate.throughput import note
from unconceal.specs.record import UNSPENT, CheckpointRecord, Record, Timing, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


def pairs(evaluation: Evaluation, task: Task, checkpoint: str) -> list[Pair]:
    """Everything that is to be generated for a checkpoint of that digest."""
    return plan_of(evaluation, task, checkpoint).pairs


def worker(evaluation: Evaluation, task: Task, submission: Submission) -> tuple[Generator, AppliedCheckpoint]:
    """Who generates, and what was applied to the base; a task that could not be judged is refused before."""
    evaluation.instruments.check(task)
    original, unlearned, applied = evaluation.models(task, submission)
    return Generator(evaluation.store, original, unlearned), applied


def original(evaluation: Evaluation) -> Generator:
    """Who generates θ's trajectories alone."""
    alone = evaluation.original()
    return Generator(evaluation.store, alone, alone)


def measure(evaluation: Evaluation, task: Task, submission: Submission, spent: Timing = UNSPENT) -> Record:
    """Generate, judge, and write the record and its strip of pictures. ``spent``: what pictures made before for it cost."""
    started = time.perf_counter()
    by, applied = worker(evaluation, task, submission)
    plan = plan_of(evaluation, task, applied.sha256)
    by.advance = evaluation.progress.stage(f"{submission.name} on {task.id}: generating", sum(map(rows_of, plan.shards))).advance
    pictures = measuring.generate_all(by, plan)
    spent = with_more(spent, time.perf_counter() - started, by.evaluations)
    checkpoint = evaluation.checkpoint_record(task, submission, applied)
    with evaluation.judging(task, submission) as done:
        return done or judged(evaluation, task, submission, checkpoint, plan, pictures, spent)


def with_more(spent: Timing, seconds: float, evaluations: int) -> Timing:
    """What generating has cost in all."""
    generate = spent.seconds.get("generate", 0.0) + seconds
    return Timing(seconds={**spent.seconds, "generate": generate}, denoiser_evaluations=spent.denoiser_evaluations + evaluations)


def score_stored(evaluation: Evaluation, task: Task, submission: Submission, checkpoint: CheckpointRecord) -> Record:
    """Every score anew from the pictures that the store holds of a checkpoint; no model of diffusion is called.

    Raises:
        CheckFailed: the store lacks some of them.
    """
    plan = plan_of(evaluation, task, checkpoint.sha256)
    evaluation.progress.say(f"{submission.name} on {task.id}: reading {len(plan.shards)} shards")
    pictures = measuring.generate_all(StoredImages(evaluation.store), plan)
    return judged(evaluation, task, submission, checkpoint, plan, pictures, UNSPENT)


def plan_of(evaluation: Evaluation, task: Task, checkpoint: str | None) -> Plan:
    """Everything that is to be generated; None: the original itself."""
    base = evaluation.suite.base.digest
    return build_plan(evaluation.suite, evaluation.tier, task, base, checkpoint or base, evaluation.layout)


def judged(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    checkpoint: CheckpointRecord,
    plan: Plan,
    pictures: Mapping[str, BlockImages],
    spent: Timing,
) -> Record:
    """The record of a plan's pictures, written with its strip. ``spent``: what the pictures cost."""
    started = time.perf_counter()
    stage = evaluation.progress.stage(f"{submission.name} on {task.id}: judging", looks(evaluation.tier))
    found = score(evaluation.instruments, evaluation.tier, task, plan, pictures, stage)
    seconds = time.perf_counter() - started
    note(evaluation.store.root, judged_work(evaluation), 1, seconds)
    timing = spent.model_copy(update={"seconds": {**spent.seconds, "judge": seconds}})
    record = evaluation.record(task, submission, checkpoint, found, timing)
    path = evaluation.place(task, submission.name)
    write_record(record, path)
    write_strip(plan.evaluation, pictures["evaluation"], strip_path(path), task.category)
    return record


def rewritten(evaluation: Evaluation, task: Task, record: Record) -> Record:
    """A record sealed anew, and written."""
    fresh = record.model_copy(update={"digest": ""}).sealed()
    write_record(fresh, evaluation.place(task, fresh.submission))
    return fresh


def settled(evaluation: Evaluation, task: Task, record: Record) -> Record:
    """The record read against the golds there are; written when that changed it."""
    fresh = settle(record, evaluation.golds(task), evaluation.suite, task)
    if fresh.digest != record.digest:
        write_record(fresh, evaluation.place(task, record.submission))
    return fresh
