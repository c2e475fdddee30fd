"""The sequential tier: images are generated look by look, and the run stops as soon as a verdict is reached.

θ's images are those of tier ``full``, so that a later full run finds them in the store; golds are read from their full records. Only the
evaluation block is generated: no train or reference seeds, no classifiers.
"""

from __future__ import annotations

import time

from unconceal.battery.relearning import level_name
from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.image_scores import Scores
from unconceal.evaluation.live_answers import LiveAnswers, plan_look_shards
from unconceal.evaluation.looks import run_looks
from unconceal.evaluation.stopped_verdict import gather_reference, look_plan, stopped_scores
from unconceal.generate.generator import Generator
from unconceal.generate.plan import Plan, ShardPair, build_plan
from unconceal.specs.record import UNSPENT, Record, Stopping, Timing, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import REFERENCE_TIER
from unconceal.specs.task import Task


def full_plan(evaluation: Evaluation, task: Task, checkpoint: str) -> Plan:
    """The plan of the full tier, whose shards of θ the looks continue."""
    suite = evaluation.suite
    return build_plan(suite, suite.tier(REFERENCE_TIER), task, suite.base.digest, checkpoint, evaluation.compute_config)


def shards(evaluation: Evaluation, task: Task, checkpoint: str) -> list[ShardPair]:
    """θ's trajectories, which every look needs; what cannot be measured sequentially is refused here, before anything is generated.

    Raises:
        CheckFailed: the suite has no sequential tier for this task, or there is no gold record.
    """
    _, order = look_plan(evaluation.suite, task)
    gather_reference(evaluation.gold_records(task), evaluation.suite, task, order)
    return [(trajectory, None) for trajectory in full_plan(evaluation, task, checkpoint).evaluation.trajectories]


def at_most(evaluation: Evaluation, task: Task, checkpoint: str) -> list[ShardPair]:
    """Every shard of a run that uses up all prompts, without relearning."""
    plan, (looks, order) = full_plan(evaluation, task, checkpoint), look_plan(evaluation.suite, task)
    pairs: list[ShardPair] = [*shards(evaluation, task, checkpoint), *plan.retain_original.pairs]
    pairs += [(trajectory, None) for trajectory in plan.retain.trajectories]
    trajectory = plan.evaluation.trajectories[0]
    for block, rows, name in ((plan.evaluation, order.forget, "forget"), (plan.retain, order.retain, "retain")):
        done = 0
        for size in looks.sizes:
            count = getattr(size, name)
            pairs += [(trajectory, shard) for shard in plan_look_shards(block, rows[done:count], looks.settings)]
            done = count
    return pairs


def measure(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    generator: Generator,
    applied: AppliedCheckpoint,
    timing: Timing = UNSPENT,
) -> Record:
    """Look at more and more prompts until a verdict is reached, and write the record.

    Args:
        evaluation: the settings of the run.
        task: what to evaluate on.
        submission: what to evaluate.
        generator: of the submission's models.
        applied: the checkpoint that was loaded.
        timing: cost of the images that were generated before for this record.

    Returns:
        The record with its verdict.
    """
    started, passes_before = time.perf_counter(), generator.forward_passes
    looks, order = look_plan(evaluation.suite, task)
    golds = [gold for gold in evaluation.gold_records(task) if gold.submission != submission.name]
    reference = gather_reference(golds, evaluation.suite, task, order)
    checkpoint = applied.sha256 or evaluation.suite.base.digest
    stage = evaluation.progress.stage(f"{submission.name} on {task.id}: prompts", looks.sizes[-1].forget)
    steps = evaluation.suite.battery.relearning.steps
    step = next((step for step in steps if level_name(step) == reference.relearning_level), steps[-1])
    full = full_plan(evaluation, task, checkpoint)
    answers = LiveAnswers(evaluation, task, generator, checkpoint, step, full, looks, order, stage.advance)
    stopped = run_looks(answers, reference, looks)
    size = looks.sizes[stopped.look]
    stopping = Stopping(
        look=stopped.look + 1,
        looks=tuple(size.forget for size in looks.sizes),
        reason="decided" if stopped.decided else "prompts used up",
        prompts=order.forget[: size.forget],
        retain_prompts=order.retain[: size.retain] if stopped.joined else (),
        held_out_prompts=answers.relearned_prompts,
    )
    seconds = {**timing.seconds, **answers.seconds, "generate": time.perf_counter() - started - sum(answers.seconds.values())}
    cost = Timing(seconds=seconds, forward_passes=timing.forward_passes + generator.forward_passes - passes_before + answers.probe_passes)
    scores = Scores(stopped_scores(stopped, evaluation.suite), answers.curves())
    entry = evaluation.checkpoint_record(task, submission, applied)
    record = evaluation.record(task, submission, entry, scores, cost, answers.battery(reference), stopping)
    controls = {gold.submission: gold.measured_digest for gold in golds}
    record = record.model_copy(update={"verdict": stopped.verdict, "controls": controls}).sealed()
    with evaluation.record_lock(task, submission) as stored:
        if stored is not None:
            return stored
        write_record(record, evaluation.record_path(task, submission.name))
    return record
