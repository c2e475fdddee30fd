"""Runs the probes of a tier on one (task, submission) and on θ; their images are kept in the store, so that a run resumes."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from unconceal.battery import PROBES
from unconceal.battery.probe import BatteryPlan, Examples, ProbeInputs, ProbeScope, recorded_error
from unconceal.errors import CheckFailed
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator
from unconceal.generate.identity import ProbeShard
from unconceal.generate.plan import Block, ShardPlanner, sampling_of
from unconceal.generate.store import Arrays
from unconceal.judges.concept_judge import PresenceJudge
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.battery import ProbeName
from unconceal.specs.digests import canonical_digest
from unconceal.specs.record import UNSPENT, ProbeMeasurement, Timing
from unconceal.specs.task import Task

EXAMPLES_PER_PROMPT = 2
NO_EXAMPLES = Examples((), torch.empty(0))
EXAMPLE_SEEDS = 500
"""Added to the battery's first seed: θ's images that probes work from share no noise with the images that probes generate."""


def scope_of(evaluation: Evaluation, task: Task) -> ProbeScope:
    """What the tier's probes work on."""
    return ProbeScope.from_specs(evaluation.suite, evaluation.tier, task)


def measure_battery(
    evaluation: Evaluation, task: Task, name: str, generator: Generator, checkpoint: str
) -> tuple[dict[str, ProbeMeasurement], Timing]:
    """The results of every probe of the tier.

    A probe that fails is recorded with its error, and the others go on.

    Args:
        evaluation: the settings of the run.
        task: what is evaluated.
        name: of the submission, for progress.
        generator: of θ and θ*.
        checkpoint: digest of θ*'s weights.

    Returns:
        The results, and the cost of what was not stored before, in seconds by probe.
    """
    probes = evaluation.tier.probes
    if not probes:
        return {}, UNSPENT
    inputs = probe_inputs(evaluation, task, generator)
    runner = BatteryRunner(evaluation, task)
    results: dict[str, ProbeMeasurement] = {}
    for probe in probes:
        title = f"{name} on {task.id}: {probe}"
        cost, original = (PROBES[probe].plan(part.scope).cost for part in (inputs, inputs.of_original()))
        evaluation.progress.log(f"{title}, {cost.forward_passes:,} forward and {cost.backward_passes:,} backward passes for θ*")
        stage = evaluation.progress.stage(title, cost.work + original.work)
        results[probe] = runner.measure(probe, replace(inputs, advance=stage.advance), checkpoint)
    return results, Timing(seconds=runner.seconds, forward_passes=runner.forward_passes)


class BatteryRunner:
    """Runs probes on θ and θ*, through the store, and adds up what they cost."""

    def __init__(self, evaluation: Evaluation, task: Task) -> None:
        self.evaluation, self.task = evaluation, task
        self.forward_passes = 0
        self.seconds: dict[str, float] = {}

    def measure(self, probe: ProbeName, inputs: ProbeInputs, checkpoint: str) -> ProbeMeasurement:
        """The answers of the judge for θ* and θ under one probe."""
        plan = PROBES[probe].plan(inputs.scope)
        shape = {"levels": plan.levels, "scored": plan.scored, "images_per_prompt": plan.images_per_prompt, **plan.cost._asdict()}
        try:
            original = self._answers(probe, inputs.of_original(), self.evaluation.suite.base.digest)
            answers = self._answers(probe, inputs, checkpoint)
        except (CheckFailed, NotImplementedError) as error:
            code = recorded_error(error)
            self.evaluation.progress.log(f"{probe} on {self.task.id} failed: {error}")
            return ProbeMeasurement(**shape, error=code)
        return ProbeMeasurement(**shape, per_prompt=rates(answers, plan.by_majority), original=rates(original, plan.by_majority))

    def _answers(self, probe: ProbeName, inputs: ProbeInputs, checkpoint: str) -> FloatArray:
        """Presence (p, s, levels) of 0 and 1 for the model of the inputs."""
        plan = PROBES[probe].plan(inputs.scope)
        images = self._images(probe, plan, inputs, probe_shard(self.evaluation, self.task, probe, checkpoint))
        shown = [inputs.shows(images[f"level.{i}"]) for i in range(len(plan.levels))]
        return np.stack(shown, axis=-1).astype(float).reshape(-1, plan.images_per_prompt, len(plan.levels))

    def _images(self, probe: ProbeName, plan: BatteryPlan, inputs: ProbeInputs, shard: ProbeShard) -> Arrays:
        store, stored = self.evaluation.store, self.evaluation.store.get(shard)
        if stored is not None:
            inputs.advance(plan.cost.work)
            return stored
        with store.lock(shard):
            stored = store.get(shard)
            if stored is None:
                started = time.perf_counter()
                by_level = PROBES[probe].generate(inputs)
                self.seconds[probe] = self.seconds.get(probe, 0.0) + time.perf_counter() - started
                stored = {f"level.{i}": by_level[level] for i, level in enumerate(plan.levels)}
                store.put(shard, stored)
                self.forward_passes += plan.cost.forward_passes
        return stored


def probe_shard(evaluation: Evaluation, task: Task, probe: ProbeName, checkpoint: str) -> ProbeShard:
    """The store's key of a probe's images of one model."""
    scope = scope_of(evaluation, task)
    suite, forget = scope.suite, scope.forget
    return ProbeShard(
        suite.base.digest,
        checkpoint,
        suite.family,
        sampling_of(suite),
        probe,
        canonical_digest({"settings": suite.battery.settings(probe).model_dump(mode="json"), "seed_start": suite.battery.seed_start}),
        canonical_digest({"task": task.content(), "forget": forget, "judge": suite.judges.concept.digest}),
        evaluation.compute_config,
    )


def rates(answers: FloatArray, by_majority: bool = False) -> tuple[tuple[float, ...], ...]:
    """Answers (p, s, levels) as rates per prompt, (p, levels).

    Args:
        answers: 0 or 1.
        by_majority: 1 where more than half of a prompt's answers are 1, else 0.
    """
    means = answers.mean(axis=1)
    return tuple(tuple(map(float, row)) for row in (means > 0.5 if by_majority else means))


def probe_inputs(evaluation: Evaluation, task: Task, generator: Generator, retained: bool = True) -> ProbeInputs:
    """θ's images that the probes work from, and the models; ``retained``: whether to load those of retained concepts."""
    judge, (concept, others) = evaluation.suite_models.judge_for(task), example_blocks(evaluation, task)
    scope = scope_of(evaluation, task)
    return ProbeInputs(
        scope=replace(scope, rule=generator.unlearned.rule),
        task=task,
        original=replace(generator.original, steps=scope.suite.sampler.num_inference_steps),
        model=replace(generator.unlearned, steps=scope.suite.sampler.num_inference_steps),
        examples=load_examples(generator, concept, task, judge),
        retained=load_examples(generator, others) if retained else NO_EXAMPLES,
        judge=judge,
        batch_size=evaluation.batch_size,
    )


def example_blocks(evaluation: Evaluation, task: Task) -> tuple[Block, Block]:
    """θ's images for the forget prompts, and for retain prompts."""
    scope, base = scope_of(evaluation, task), evaluation.suite.base.digest
    # As many in every tier: a probe's images are shared among tiers.
    retain = [prompt.text for prompt in task.retain[: scope.battery.benign_fine_tuning.n_examples]]
    planner, start = ShardPlanner(evaluation.suite, base, base, evaluation.compute_config), scope.battery.seed_start + EXAMPLE_SEEDS
    concept = planner.block("examples", scope.forget, start, EXAMPLES_PER_PROMPT, (1.0,), ())
    return concept, planner.block("retained examples", retain, start, 1, (1.0,), ())


def load_examples(generator: Generator, block: Block, task: Task | None = None, judge: PresenceJudge | None = None) -> Examples:
    """θ's images of a block as latents.

    Args:
        generator: generates what the store lacks.
        block: of θ alone, handed over at ψ = 1.
        task: with ``judge``: keep the images that show its concept.
        judge: finds the concept.
    """
    prompts, latents, step = [], [], max(block.k.values())
    for shard in block.trajectories:
        arrays = generator.trajectory(shard)
        keep = np.ones(len(shard.images), bool)
        if task is not None and judge is not None:
            keep = judge.shows(arrays["original"], task.judge.head, task.judge.label)
        prompts += [image.prompt for image, kept in zip(shard.images, keep, strict=True) if kept]
        latents.append(torch.from_numpy(arrays[f"latents.{step:04d}"][keep]))
    return Examples(tuple(prompts), torch.cat(latents))
