"""Scores one submission with its task's neighbours and frozen probe sets, and puts what was found into its record."""

from __future__ import annotations

import time
from collections.abc import Mapping

from unconceal.errors import UsageError
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, rows_of
from unconceal.generate.plan import Cutter, ProbePlan, build_probe_plan
from unconceal.probing import probe_images
from unconceal.probing.attacks import attack_rates, outcomes
from unconceal.probing.neighbour_damage import ClipReadings, neighbour_damages
from unconceal.probing.neighbour_order import ceilings, orderers_of, orderings
from unconceal.probing.probe_sheet import sheet_path, write_sheet
from unconceal.specs.digests import canonical_digest
from unconceal.specs.loader import load_probes, probe_files
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.record import Record, Timing, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Probing
from unconceal.specs.task import Task

Sets = Mapping[str, ProbeSet]
Attacked = Mapping[str, probe_images.AttackPictures]


def probed(evaluation: Evaluation, task: Task, submission: Submission, record: Record) -> Record:
    """The record with what the task's probe sets found; as it is where the same sets were scored already.

    Raises:
        UsageError: the suite or the task says nothing of neighbours.
    """
    rules, sets = rules_of(evaluation, task), sets_of(evaluation, task)
    if record.probed and record.probed.sets == digests_of(sets) and record.probed.clip == evaluation.suite.judges.clip.digest:
        evaluation.progress.say(f"{submission.name} on {task.id}: probe sets found in the record, not scored again")
        return record
    started = time.perf_counter()
    original, unlearned, applied = evaluation.models(task, submission)
    plan = plan_of(evaluation, task, applied.sha256 or evaluation.suite.base.digest, rules, sets)
    stage = evaluation.progress.stage(f"{submission.name} on {task.id}: neighbours and attacks", sum(map(rows_of, plan.shards)))
    worker = Generator(evaluation.store, original, unlearned, stage.advance)
    cut, judge = cutter(evaluation, applied.sha256 or evaluation.suite.base.digest), evaluation.instruments.judge_of(task)
    pictures = probe_images.draw_neighbours(worker, plan)
    attacks = {name: probe_images.draw_attacks(worker, judge, cut, rules, gate, task) for name, gate in plan.attack_gates.items()}
    found = probed_of(evaluation, task, rules, sets, pictures, attacks)
    seconds = record.timing.seconds | {"probes": time.perf_counter() - started}
    timing = Timing(seconds=seconds, denoiser_evaluations=record.timing.denoiser_evaluations + worker.evaluations)
    # Sealed anew: `attacks` holds each set's rate where a reader of records looks for it first.
    rates = {rate.probes: rate.rate for rate in found.attack_rates if rate.attribute is None}
    fresh = record.model_copy(update={"probed": found, "attacks": rates, "timing": timing, "digest": ""}).sealed()
    path = evaluation.place(task, submission.name)
    write_record(fresh, path)
    write_sheet(found, pictures, attacks, task, sheet_path(path))
    return fresh


def probed_of(
    evaluation: Evaluation, task: Task, rules: Probing, sets: Sets, pictures: probe_images.NeighbourPictures, attacked: Attacked
) -> ProbeResults:
    """What the pictures show."""
    clip = evaluation.instruments.clip
    gate, original, unlearned = (probe_images.look(clip, pixels, task) for pixels in (pictures.gate, pictures.original, pictures.unlearned))
    damages = neighbour_damages(task.neighbours, ClipReadings(gate, original, unlearned), rules)
    concepts = [neighbour.concept for neighbour in task.neighbours]
    orderers = tuple(orderers_of(sets, digests_of(sets), concepts, probe_images.text_nearness(clip, task)))
    attacks = {name: outcomes(sets[name].attacks, one.gate, one.eligible, one.unlearned) for name, one in attacked.items()}
    return ProbeResults(
        clip=evaluation.suite.judges.clip.digest,
        classes=probe_images.captions_of(task),
        neighbours=damages,
        ceilings=ceilings(damages, rules),
        orderers=orderers,
        orderings=orderings(orderers, damages, rules),
        attacks=attacks,
        attack_rates=attack_rates(attacks),
    )


def rules_of(evaluation: Evaluation, task: Task) -> Probing:
    """The suite's values of measuring neighbours.

    Raises:
        UsageError: there are none, or the task names no neighbour.
    """
    if evaluation.suite.probing is None:
        raise UsageError(f"suite {evaluation.suite.id}", "says not how neighbours are measured", "run without --probes")
    if not task.neighbours:
        raise UsageError(f"task {task.id}", "names no neighbours, so there is nothing to probe", "run without --probes")
    return evaluation.suite.probing


def sets_of(evaluation: Evaluation, task: Task) -> dict[str, ProbeSet]:
    """The task's frozen sets, by the names of their files."""
    names = [name for of, here, name, _ in probe_files(evaluation.root) if (of, here) == (task.suite, task.id)]
    return {name: load_probes(evaluation.root, task, name) for name in names}


def digests_of(sets: Sets) -> dict[str, str]:
    return {name: canonical_digest(probes.content()) for name, probes in sets.items()}


def cutter(evaluation: Evaluation, checkpoint_digest: str) -> Cutter:
    return Cutter(evaluation.suite, evaluation.suite.base.digest, checkpoint_digest, evaluation.layout)


def plan_of(evaluation: Evaluation, task: Task, checkpoint_digest: str, rules: Probing, sets: Sets) -> ProbePlan:
    """What is to be drawn for neighbours and attacks."""
    attacks = {name: [attack.prompt for attack in probes.attacks] for name, probes in sets.items()}
    return build_probe_plan(cutter(evaluation, checkpoint_digest), rules, task, attacks)


def planned(evaluation: Evaluation, task: Task, checkpoint_digest: str) -> ProbePlan:
    """The same before anything is loaded."""
    return plan_of(evaluation, task, checkpoint_digest, rules_of(evaluation, task), sets_of(evaluation, task))
