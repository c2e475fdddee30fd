"""Measures one submission on its task's neighbours and frozen probe sets, and adds the results to its record."""

from __future__ import annotations

import time
from collections.abc import Mapping

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.errors import UsageError
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.generate.plan import ProbePlan, ShardPlanner, build_probe_plan
from unconceal.probing.attacks import attack_outcomes, attack_rates
from unconceal.probing.neighbour_damage import ClipReadings, neighbour_damages
from unconceal.probing.neighbour_order import ceilings, proximity_rankers, rank_correlations
from unconceal.probing.probe_images import (
    AttackImages,
    NeighbourImages,
    caption_similarity,
    class_captions,
    generate_attacks,
    generate_neighbours,
    read_clip,
)
from unconceal.probing.probe_sheet import sheet_path, write_sheet
from unconceal.results.image_files import SHEET
from unconceal.specs.digests import canonical_digest
from unconceal.specs.loader import load_probes, probe_files
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.record import Record, Timing, write_record
from unconceal.specs.suite import Probing
from unconceal.specs.task import Task

ProbeSets = Mapping[str, ProbeSet]


def has_probe_results(evaluation: Evaluation, task: Task, record: Record) -> bool:
    """Whether the record holds results of the task's current probe sets."""
    results, digests = record.probe_results, probe_set_digests(probe_sets(evaluation, task))
    return results is not None and results.probe_set_digests == digests and results.clip == evaluation.suite.judges.clip.digest


def score_probes(evaluation: Evaluation, task: Task, record: Record, generator: Generator, applied: AppliedCheckpoint) -> Record:
    """Measure neighbours and attacks, and write the record with the results and its sheet of images.

    Args:
        evaluation: the settings of the run.
        task: whose neighbours and probe sets are measured.
        record: of the submission, without these results.
        generator: of the submission's models.
        applied: the checkpoint that was loaded.

    Raises:
        UsageError: the suite or the task has no neighbours.
    """
    rules, sets = probing_rules(evaluation, task), probe_sets(evaluation, task)
    started, passes_before = time.perf_counter(), generator.forward_passes
    digest = applied.sha256 or evaluation.suite.base.digest
    plan = build_plan(evaluation, task, digest, rules, sets)
    total = sum(count_forward_passes(shard, generator.unlearned.rule) for shard in plan.shards)
    generator.report_to(evaluation.progress.stage(f"{record.submission} on {task.id}: neighbours and attacks", total).advance)
    planner, judge = shard_planner(evaluation, digest), evaluation.suite_models.judge_for(task)
    neighbours = generate_neighbours(generator, plan)
    attacks = {name: generate_attacks(generator, judge, planner, rules, gate, task) for name, gate in plan.attack_gates.items()}
    results = compute_results(evaluation, task, rules, sets, neighbours, attacks)
    timing = Timing(
        seconds=record.timing.seconds | {"probes": time.perf_counter() - started},
        forward_passes=record.timing.forward_passes + generator.forward_passes - passes_before,
    )
    # `attacks` repeats each set's rate where readers of records look for it first.
    rates = {rate.probe_set: rate.rate for rate in results.attack_rates if rate.attribute is None}
    path = evaluation.record_path(task, record.submission)
    images = record.images | {SHEET.name: write_sheet(results, neighbours, attacks, task, sheet_path(path))}
    prompts = {key.prompt for shard in plan.shards for key in shard.images}
    truncated = evaluation.truncated_prompts(task, prompts)
    changes = {"probe_results": results, "attacks": rates, "images": images, "timing": timing, "truncated_prompts": truncated, "digest": ""}
    record = record.model_copy(update=changes).sealed()
    write_record(record, path)
    return record


def compute_results(
    evaluation: Evaluation,
    task: Task,
    rules: Probing,
    sets: ProbeSets,
    neighbours: NeighbourImages,
    attacks: Mapping[str, AttackImages],
) -> ProbeResults:
    """The results of all images."""
    clip = evaluation.suite_models.clip
    readings = ClipReadings(*(read_clip(clip, images, task) for images in (neighbours.gate, neighbours.original, neighbours.unlearned)))
    damages = neighbour_damages(task.neighbours, readings, rules)
    concepts = [neighbour.concept for neighbour in task.neighbours]
    rankers = tuple(proximity_rankers(sets, probe_set_digests(sets), concepts, caption_similarity(clip, task)))
    outcomes = {
        name: attack_outcomes(sets[name].attacks, images.gate, images.eligible, images.unlearned) for name, images in attacks.items()
    }
    return ProbeResults(
        clip=evaluation.suite.judges.clip.digest,
        classes=class_captions(task),
        neighbours=damages,
        ceilings=ceilings(damages, rules),
        rankers=rankers,
        rank_correlations=rank_correlations(rankers, damages, rules),
        attacks=outcomes,
        attack_rates=attack_rates(outcomes),
    )


def probing_rules(evaluation: Evaluation, task: Task) -> Probing:
    """The suite's rules for neighbours and attacks.

    Raises:
        UsageError: there are none, or the task has no neighbours.
    """
    if evaluation.suite.probing is None:
        raise UsageError(
            "probes.no-rules", f"suite {evaluation.suite.id}", "does not define how neighbours are measured", "run without --probes"
        )
    if not task.neighbours:
        raise UsageError(
            "probes.no-neighbours", f"task {task.id}", "has no neighbours, so there is nothing to probe", "run without --probes"
        )
    return evaluation.suite.probing


def probe_sets(evaluation: Evaluation, task: Task) -> dict[str, ProbeSet]:
    """The task's frozen probe sets by file name."""
    names = [name for suite, task_id, name, _ in probe_files(evaluation.root) if (suite, task_id) == (task.suite, task.id)]
    return {name: load_probes(evaluation.root, task, name) for name in names}


def probe_set_digests(sets: ProbeSets) -> dict[str, str]:
    return {name: canonical_digest(probes.content()) for name, probes in sets.items()}


def shard_planner(evaluation: Evaluation, checkpoint_digest: str) -> ShardPlanner:
    return ShardPlanner(evaluation.suite, evaluation.suite.base.digest, checkpoint_digest, evaluation.compute_config)


def build_plan(evaluation: Evaluation, task: Task, checkpoint_digest: str, rules: Probing, sets: ProbeSets) -> ProbePlan:
    """The images of neighbours and attacks."""
    attacks = {name: [attack.prompt for attack in probes.attacks] for name, probes in sets.items()}
    return build_probe_plan(shard_planner(evaluation, checkpoint_digest), rules, task, attacks)


def plan_probes(evaluation: Evaluation, task: Task, checkpoint_digest: str) -> ProbePlan:
    """The images of neighbours and attacks, planned before anything is loaded."""
    return build_plan(evaluation, task, checkpoint_digest, probing_rules(evaluation, task), probe_sets(evaluation, task))
