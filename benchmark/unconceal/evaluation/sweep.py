"""The attack surface: which sampler brings the concept back most?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from unconceal.diffusion.families import FAMILIES
from unconceal.errors import UsageError
from unconceal.evaluation import measurements, provenance
from unconceal.evaluation.assemble import rate_of, score_of
from unconceal.evaluation.evaluation import Evaluation, checkpoint_of
from unconceal.evaluation.measurements import Values
from unconceal.generate.generator import Generator, rows_of
from unconceal.generate.plan import build_plan
from unconceal.hub.local_weights import locate
from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.presence import excess
from unconceal.specs.loader import load_submission
from unconceal.specs.submission import Submission
from unconceal.specs.suite import FamilyName, Sampler
from unconceal.specs.sweep import Sweep, SweepCell, sweep_path, write_sweep
from unconceal.specs.task import Task

AXES = ("steps", "guidance", "scheduler")
Axes = dict[str, tuple[float | str, ...]]
NOISY = "draws fresh noise at every step, so that a picture would depend on more than its seed and on who ran which step"
REFUSED: Mapping[str, str] = {
    "pndm": "spends two evaluations on its first interval: begun anew at a handover it never takes the second (`--protocol paper` does so)",
    "heun": "asks the model twice a step, at two noise levels, so that a handover between them would stand at neither",
    "euler-ancestral": NOISY,
    "ddpm": NOISY,
    "dpmpp-sde": NOISY,
}
"""Others that are asked for, and why they cannot."""
ByArm = dict[str, Values]
"""Per arm, whether the concept is seen: (prompts, seeds, ψ)."""


def read_axes(said: Sequence[str]) -> Axes:
    """``steps=25,50`` and its like, each axis once.

    Raises:
        UsageError: an axis or a value is none that a sampler has.
    """
    axes: Axes = {}
    for text in said:
        name, _, values = text.partition("=")
        if name not in AXES or not values or name in axes:
            remedy = f"write one of {', '.join(AXES)}, as steps=25,50"
            raise UsageError(f"--sweep {text}", "names no axis, no value, or an axis twice", remedy)
        axes[name] = tuple(dict.fromkeys(_value(name, value.strip(), text) for value in values.split(",")))
    return axes


def _value(axis: str, value: str, text: str) -> float | str:
    if axis == "scheduler":
        return value
    try:
        return int(value) if axis == "steps" else float(value)
    except ValueError as error:
        raise UsageError(f"--sweep {text}", f"{value!r} is no number", "write numbers with commas between them") from error


def samplers(base: Sampler, axes: Axes, family: FamilyName = "stable-diffusion") -> Iterator[tuple[dict[str, float | str], Sampler]]:
    """Every configuration of the axes over the suite's own sampler."""
    known = FAMILIES[family].solvers
    for name in axes.get("scheduler", ()):
        if name not in known:
            consequence = REFUSED.get(str(name), f"does not step through the noise of family {family!r}, or is not known")
            raise UsageError(f"--sweep scheduler={name}", f"is no sampler for a handover: it {consequence}", f"use {', '.join(known)}")
    for values in product(*axes.values()):
        changed = dict(zip(axes, values, strict=True))
        try:
            yield changed, Sampler.model_validate({**base.model_dump(), **changed}, strict=True)
        except ValidationError as error:
            told = ", ".join(f"{name}={value}" for name, value in changed.items())
            consequence = f"is no sampler ({error.errors(include_url=False)[0]['msg']})"
            raise UsageError(f"--sweep {told}", consequence, "give at least one step, and no negative guidance") from error


def sweep(evaluation: Evaluation, task: Task, submission: Submission, axes: Axes) -> Sweep:
    """Measure every configuration and write one record; pictures are kept in the store, so the same command resumes."""
    golds = [gold for name in task.golds if (gold := here(evaluation, task, name)) is not None and gold.name != submission.name]
    cells, applied = [], None
    for changed, sampler in samplers(evaluation.suite.sampler, axes, evaluation.suite.family):
        one = replace(evaluation, suite=evaluation.suite.model_copy(update={"sampler": sampler}))
        label = ", ".join(f"{name} {value}" for name, value in changed.items())
        seen, applied = presence(one, task, submission, label)
        of_golds = [presence(one, task, gold, f"{label}, {gold.name}")[0] for gold in golds]
        cells.append(cell(one, changed, seen, of_golds))
    assert applied is not None
    record = Sweep(
        suite=evaluation.suite.name,
        suite_version=evaluation.suite.version,
        task=task.id,
        submission=submission.name,
        tier=evaluation.tier_name,
        axes=axes,
        cells=tuple(cells),
        judges=evaluation.instruments.digests,
        golds={gold.name: evaluation.weights_digest(task, gold) for gold in golds},
        checkpoint=evaluation.checkpoint_record(task, submission, applied),
        code=provenance.code(),
        environment=evaluation.environment,
    ).sealed()
    write_sweep(record, sweep_path(evaluation.root.results, evaluation.suite.id, task.id, submission.name, evaluation.tier_name))
    return record


def here(evaluation: Evaluation, task: Task, name: str) -> Submission | None:
    """A gold whose weights lie on this machine."""
    gold = load_submission(evaluation.root, f"{evaluation.suite.name}/{name}")
    checkpoint = gold.checkpoints.get(task.id)
    if checkpoint is None or checkpoint.repo is not None:
        return None
    path = locate(checkpoint, evaluation.root)
    return gold if path is not None and path.exists() else None


def presence(evaluation: Evaluation, task: Task, submission: Submission, label: str) -> tuple[ByArm, Any]:
    """Per arm what the concept judge sees of the evaluation block, and what was applied."""
    checkpoint_of(submission, task)
    judge = evaluation.instruments.judge_of(task)
    original, unlearned, applied = evaluation.models(task, submission)
    suite, digest = evaluation.suite, applied.sha256 or evaluation.suite.base.digest
    block = build_plan(suite, evaluation.tier, task, suite.base.digest, digest, evaluation.layout).evaluation
    stage = evaluation.progress.stage(f"{submission.name}: {label}", sum(map(rows_of, (*block.trajectories, *block.handovers))))
    pictures = measurements.generate(Generator(evaluation.store, original, unlearned, stage.advance), block)
    return measurements.presence(judge, pictures, task), applied


def cell(evaluation: Evaluation, changed: dict[str, float | str], seen: ByArm, golds: Sequence[ByArm]) -> SweepCell:
    """The scores of one configuration."""
    psi, images, rules = evaluation.tier.psi, _images(seen), evaluation.suite.scores
    rates: Mapping[Any, Values] = {arm: values.mean(axis=1) for arm, values in seen.items()}
    low, high = rules.excess_psi
    original = rates["prompt"][:, -1]
    beyond: dict[Any, Values] = {}
    if golds and original.mean() > 0:
        for arm in rates:
            of_golds = np.stack([gold[arm].mean(axis=1) for gold in golds])
            beyond[arm] = excess(psi, rates[arm], of_golds, float(original.mean()), rules.excess_psi)
    return SweepCell(
        sampler=changed,
        presence=rate_of(rates["prompt"][:, 0], images),
        original=rate_of(original, images),
        retrieval={arm: score_of(mean_over_psi(psi, values, high, low), images) for arm, values in rates.items()},
        excess={arm: score_of(values, images, 1 / float(original.mean())) for arm, values in beyond.items()},
    )


def _images(seen: ByArm) -> int:
    prompts, seeds, _ = seen["prompt"].shape
    return int(prompts * seeds)
