"""Sampler sweeps: with which sampler does a submission retrieve the concept most?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.diffusion.families import FAMILIES
from unconceal.errors import UsageError
from unconceal.evaluation import environment, measurements
from unconceal.evaluation.curves import mean_score, rate_score
from unconceal.evaluation.evaluation import Evaluation, checkpoint_of
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.generate.plan import build_plan
from unconceal.hub.local_weights import locate
from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.presence import excess_retrieval
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.loader import load_submission
from unconceal.specs.submission import Submission
from unconceal.specs.suite import FamilyName, Sampler
from unconceal.specs.sweep import Sweep, SweepCell, sweep_path, write_sweep
from unconceal.specs.task import Task

AXES = ("num_inference_steps", "guidance_scale", "scheduler")
Axes = dict[str, tuple[float | str, ...]]
NOISY = "draws fresh noise at every step, so that an image would depend on more than its seed"
UNSUPPORTED: Mapping[str, str] = {
    "pndm": "needs two forward passes on its first interval and skips the second when restarted (as `--protocol paper` does)",
    "heun": "evaluates the model at two noise levels per step, so that a handover between them has no noise level of its own",
    "euler-ancestral": NOISY,
    "ddpm": NOISY,
    "dpmpp-sde": NOISY,
}
"""Known schedulers that cannot hand over, and the reason."""
ByArm = dict[str, FloatArray]
"""Per arm, whether the concept is visible, 0 or 1: (prompts, seeds, ψ)."""


def read_axes(options: Sequence[str]) -> Axes:
    """``num_inference_steps=25,50`` and the like, each axis at most once.

    Raises:
        UsageError: an axis or a value does not exist.
    """
    axes: Axes = {}
    for text in options:
        name, _, values = text.partition("=")
        if name not in AXES or not values or name in axes:
            remedy = f"write one of {', '.join(AXES)}, as num_inference_steps=25,50"
            raise UsageError("sweep.bad-axis", f"--sweep {text}", "names no axis, no value, or an axis twice", remedy)
        axes[name] = tuple(dict.fromkeys(_value(name, value.strip(), text) for value in values.split(",")))
    return axes


def _value(axis: str, value: str, text: str) -> float | str:
    if axis == "scheduler":
        return value
    try:
        return int(value) if axis == "num_inference_steps" else float(value)
    except ValueError as error:
        raise UsageError(
            "sweep.not-a-number", f"--sweep {text}", f"{value!r} is no number", "write numbers with commas between them"
        ) from error


def samplers(base: Sampler, axes: Axes, family: FamilyName = "stable-diffusion") -> Iterator[tuple[dict[str, float | str], Sampler]]:
    """Every combination of the axes' values, applied to the suite's sampler; yields the changes and the sampler."""
    solvers = FAMILIES[family].solvers
    for name in axes.get("scheduler", ()):
        if name not in solvers:
            consequence = UNSUPPORTED.get(str(name), f"does not step through the noise of family {family!r}, or is not known")
            raise UsageError(
                "sweep.unknown-scheduler",
                f"--sweep scheduler={name}",
                f"is no sampler for a handover: it {consequence}",
                f"use {', '.join(solvers)}",
            )
    for values in product(*axes.values()):
        changes = dict(zip(axes, values, strict=True))
        try:
            yield changes, Sampler.model_validate({**base.model_dump(), **changes}, strict=True)
        except ValidationError as error:
            raise _no_sampler(changes, error) from error


def _no_sampler(changes: Mapping[str, float | str], error: ValidationError) -> UsageError:
    """A mistake of the sampler's own under its own code, any other value that its field refuses under one for all."""
    value = f"--sweep {', '.join(f'{name}={value}' for name, value in changes.items())}"
    detail = error.errors(include_url=False)[0]
    for mistake in detail.get("ctx", {}).get("mistakes", ()):
        return UsageError(mistake.code, value, f"is no sampler: {mistake.value} {mistake.consequence}", mistake.remedy)
    consequence = f"is no sampler ({detail['msg']})"
    return UsageError("sweep.bad-sampler", value, consequence, "give at least one step, and no negative guidance")


def sweep(evaluation: Evaluation, task: Task, submission: Submission, axes: Axes) -> Sweep:
    """Measure every configuration and write one record; images are kept in the store, so that the same command resumes."""
    golds = [gold for name in task.golds if (gold := local_gold(evaluation, task, name)) is not None and gold.name != submission.name]
    cells, applied = [], None
    # All of them at once: a combination that is refused costs no measurement of those before it.
    for changes, sampler in list(samplers(evaluation.suite.sampler, axes, evaluation.suite.family)):
        configured = replace(evaluation, suite=evaluation.suite.model_copy(update={"sampler": sampler}))
        label = ", ".join(f"{name} {value}" for name, value in changes.items())
        presence, applied = measure_presence(configured, task, submission, label)
        gold_presence = [measure_presence(configured, task, gold, f"{label}, {gold.name}")[0] for gold in golds]
        cells.append(score_cell(configured, changes, presence, gold_presence))
    assert applied is not None
    record = Sweep(
        suite=evaluation.suite.name,
        suite_version=evaluation.suite.version,
        task=task.id,
        submission=submission.name,
        tier=evaluation.tier_name,
        axes=axes,
        cells=tuple(cells),
        judges=evaluation.suite_models.digests,
        golds={gold.name: evaluation.weights_digest(task, gold) for gold in golds},
        checkpoint=evaluation.checkpoint_record(task, submission, applied),
        code=environment.code_state(),
        environment=evaluation.environment,
    ).sealed()
    write_sweep(record, sweep_path(evaluation.root.results, evaluation.suite.id, task.id, submission.name, evaluation.tier_name))
    return record


def local_gold(evaluation: Evaluation, task: Task, name: str) -> Submission | None:
    """A gold, if its weights are on this machine."""
    gold = load_submission(evaluation.root, f"{evaluation.suite.name}/{name}")
    checkpoint = gold.checkpoints.get(task.id)
    if checkpoint is None or checkpoint.repo is not None:
        return None
    path = locate(checkpoint, evaluation.root)
    return gold if path is not None and path.exists() else None


def measure_presence(evaluation: Evaluation, task: Task, submission: Submission, label: str) -> tuple[ByArm, AppliedCheckpoint]:
    """Generate the evaluation block and judge it; returns the presence per arm and the checkpoint that was loaded."""
    checkpoint_of(submission, task)
    judge = evaluation.suite_models.judge_for(task)
    original, unlearned, applied = evaluation.models(task, submission)
    suite, digest = evaluation.suite, applied.sha256 or evaluation.suite.base.digest
    block = build_plan(suite, evaluation.tier, task, suite.base.digest, digest, evaluation.compute_config).evaluation
    total = sum(count_forward_passes(shard, unlearned.rule) for shard in (*block.trajectories, *block.handovers))
    stage = evaluation.progress.stage(f"{submission.name}: {label}", total)
    images = measurements.generate_block(Generator(evaluation.store, original, unlearned, stage.advance), block)
    return measurements.presence(judge, images, task), applied


def score_cell(evaluation: Evaluation, changes: dict[str, float | str], presence: ByArm, golds: Sequence[ByArm]) -> SweepCell:
    """The scores of one configuration."""
    psi, rules = evaluation.tier.psi, evaluation.suite.scores
    prompts, seeds, _ = presence["prompt"].shape
    images = int(prompts * seeds)
    rates: Mapping[Any, FloatArray] = {arm: values.mean(axis=1) for arm, values in presence.items()}
    low, high = rules.excess_psi
    original = rates["prompt"][:, -1]
    excess: dict[Any, FloatArray] = {}
    if golds and original.mean() > 0:
        for arm in rates:
            gold_rates = np.stack([gold[arm].mean(axis=1) for gold in golds])
            excess[arm] = excess_retrieval(psi, rates[arm], gold_rates, float(original.mean()), rules.excess_psi)
    return SweepCell(
        sampler=changes,
        presence=rate_score(rates["prompt"][:, 0], images),
        original=rate_score(original, images),
        retrieval={arm: mean_score(mean_over_psi(psi, values, high, low), images) for arm, values in rates.items()},
        excess={arm: mean_score(values, images, 1 / float(original.mean())) for arm, values in excess.items()},
    )
