"""Protocol ``standard``: one submission on one task, both arms over the whole ψ grid, compared with golds."""

from __future__ import annotations

import time
from collections.abc import Mapping

from unconceal.battery.run_battery import measure_battery
from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.evaluation import measurements
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.evaluation import Evaluation, judging_work
from unconceal.evaluation.image_sanity import check_images
from unconceal.evaluation.image_scores import score_images, scoring_steps
from unconceal.evaluation.image_strip import write_strip
from unconceal.evaluation.measurements import BlockImages
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.generate.plan import Plan, ShardPair
from unconceal.generate.stored_images import StoredImages
from unconceal.generate.throughput import add_measurement
from unconceal.results.image_files import STRIP
from unconceal.results.strip_file import strip_path
from unconceal.specs.record import UNSPENT, CheckpointRecord, ProbeMeasurement, Record, Timing, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


def shards(evaluation: Evaluation, task: Task, checkpoint: str) -> list[ShardPair]:
    """Everything to generate for a checkpoint of that digest."""
    return evaluation.plan_for(task, checkpoint).pairs


def load(evaluation: Evaluation, task: Task, submission: Submission) -> tuple[Generator, AppliedCheckpoint]:
    """Load θ and θ*; a task that the judges cannot judge is refused first."""
    evaluation.suite_models.check(task)
    original, unlearned, applied = evaluation.models(task, submission)
    return Generator(evaluation.store, original, unlearned), applied


def measure(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    generator: Generator,
    applied: AppliedCheckpoint,
    timing: Timing = UNSPENT,
) -> Record:
    """Generate what the store lacks, score the images, and write the record and its image strip.

    Args:
        evaluation: the settings of the run.
        task: what to evaluate on.
        submission: what to evaluate.
        generator: of the submission's models.
        applied: the checkpoint that was loaded.
        timing: cost of the images that were generated before for this record.

    Returns:
        The record without a verdict.
    """
    started, passes_before = time.perf_counter(), generator.forward_passes
    plan = evaluation.plan_for(task, applied.sha256, applied.components)
    total = sum(count_forward_passes(shard, generator.unlearned.rule) for shard in plan.shards)
    generator.report_to(evaluation.progress.stage(f"{submission.name} on {task.id}: reading images", total).advance)
    images = measurements.generate_all(generator, plan)
    check_images(images["evaluation"].unlearned.batches(), submission, task.id)
    timing = add_phase(timing, "generate", time.perf_counter() - started, generator.forward_passes - passes_before)
    battery, cost = measure_battery(evaluation, task, submission.name, generator, applied.sha256 or evaluation.suite.base.digest)
    timing = Timing(seconds={**timing.seconds, **cost.seconds}, forward_passes=timing.forward_passes + cost.forward_passes)
    checkpoint = evaluation.checkpoint_record(task, submission, applied)
    with evaluation.record_lock(task, submission) as stored:
        return stored or score(evaluation, task, submission, checkpoint, plan, images, timing, battery)


def add_phase(timing: Timing, phase: str, seconds: float, forward_passes: int) -> Timing:
    """The total cost, with more of one phase."""
    total = timing.seconds.get(phase, 0.0) + seconds
    return Timing(seconds={**timing.seconds, phase: total}, forward_passes=timing.forward_passes + forward_passes)


def score(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    checkpoint: CheckpointRecord,
    plan: Plan,
    images: Mapping[str, BlockImages],
    timing: Timing,
    battery: Mapping[str, ProbeMeasurement],
) -> Record:
    """Score the images of a plan, and write the record and its image strip. ``timing``: cost of the images and of ``battery``."""
    started = time.perf_counter()
    stage = evaluation.progress.stage(f"{submission.name} on {task.id}: judging", scoring_steps(evaluation.tier))
    scores = score_images(evaluation.suite_models, evaluation.tier, task, plan, images, stage)
    seconds = time.perf_counter() - started
    add_measurement(evaluation.store.root, judging_work(evaluation), 1, seconds)
    timing = timing.model_copy(update={"seconds": {**timing.seconds, "judge": seconds}})
    record = evaluation.record(task, submission, checkpoint, scores, timing, battery)
    # The verdict comes before the file: a record without one would stay if it failed.
    record = compute_verdict(record, evaluation.gold_records(task), evaluation.suite, task)
    path = evaluation.record_path(task, submission.name)
    digest = write_strip(plan.evaluation, images["evaluation"], strip_path(path), task.category)
    record = record.model_copy(update={"images": {STRIP.name: digest}}).sealed()
    write_record(record, path)
    return record


def rescore(evaluation: Evaluation, task: Task, submission: Submission) -> Record:
    """Compute every score again from stored images; stored results of neighbours and attacks are kept.

    Raises:
        CheckFailed: the store lacks images.
    """
    before = evaluation.stored_record(task, submission)
    checkpoint = before.checkpoint if before else load_checkpoint_record(evaluation, task, submission)
    plan = evaluation.plan_for(task, checkpoint.sha256, checkpoint.components)
    evaluation.progress.log(f"{submission.name} on {task.id}: reading {len(plan.shards)} shards")
    images = measurements.generate_all(StoredImages(evaluation.store), plan)
    record = score(evaluation, task, submission, checkpoint, plan, images, UNSPENT, before.battery if before else {})
    if before is None or before.probe_results is None:
        return record
    kept = {"probe_results": before.probe_results, "attacks": before.attacks, "images": before.images | record.images}
    truncated = record.truncated_prompts | before.truncated_prompts
    record = record.model_copy(update={**kept, "truncated_prompts": truncated, "digest": ""}).sealed()
    write_record(record, evaluation.record_path(task, submission.name))
    return record


def load_checkpoint_record(evaluation: Evaluation, task: Task, submission: Submission) -> CheckpointRecord:
    """The checkpoint's entry in a record, from its weights: they are loaded and verified, and generate nothing."""
    return evaluation.checkpoint_record(task, submission, evaluation.models(task, submission)[2])


def update_verdict(evaluation: Evaluation, task: Task, record: Record) -> Record:
    """The record compared with the golds' records; written if that changes it."""
    updated = compute_verdict(record, evaluation.gold_records(task), evaluation.suite, task)
    if updated.digest != record.digest:
        write_record(updated, evaluation.record_path(task, record.submission))
    return updated
