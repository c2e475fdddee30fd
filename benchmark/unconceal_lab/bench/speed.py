"""Ours against the released way: time, denoiser evaluations and peak memory, for the first submission and for each further one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from unconceal.errors import CheckFailed
from unconceal.evaluation import measurements, standard
from unconceal.evaluation.image_scores import scoring_steps, score_images
from unconceal.progress import Plain
from unconceal_lab.bench.bench_sample import Sample
from unconceal_lab.bench.forward_passes import bound, rows
from unconceal_lab.bench.measured_process import Peak, apart
from unconceal_lab.bench.released_pipeline import Asked, Pipelines, asked_of

ALIKE = 2.0
"""Most grey levels, on average, that a picture of one way may differ from the same of the other."""


class Cost(BaseModel):
    """Seconds; rows through the denoiser, counted by a hook on it; the most memory of the process, in MB."""

    generate: float
    judge: float
    evaluations: int
    pictures: int
    resident: float = 0.0
    card: float = 0.0

    @property
    def total(self) -> float:
        return self.generate + self.judge


class Ways(BaseModel):
    """``variants``: ours in other ways, each ``first`` and ``further``. ``bound``: the fewest evaluations that the protocol allows."""

    sample: str
    first: Cost
    further: Cost
    released: Cost
    variants: dict[str, dict[str, Cost]] = {}
    bound: tuple[int, int]
    apart: float


def ways(sample: Sample) -> Ways:
    """Each way in a process of its own; the second submission in another that finds the first's pictures.

    Raises:
        CheckFailed: the ways' pictures are not the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first = _cost(apart(ours, sample, place, 0))
        further = _cost(apart(ours, sample, place, 1))
        variants = {
            told: {name: _cost(apart(ours, other, place, number)) for number, name in enumerate(("first", "further"))}
            for told, other in (
                ("with `--fast compile`", replace(sample, options=("compile",))),
                ("in bfloat16", replace(sample, dtype="bfloat16")),
            )
        }
        peak = apart(theirs, sample, place, 1)
        (evaluations, seconds, judged, pictures, difference) = peak.found
    released = Cost(generate=seconds, judge=judged, evaluations=evaluations, pictures=pictures, resident=peak.resident, card=peak.card)
    task, submission = sample.pairs()[1]
    evaluation = sample.evaluation(Path("unused"))
    plan = standard.plan_of(evaluation, task, evaluation.weights_digest(task, submission))
    least = bound(plan, evaluation.suite)
    if (first.evaluations, further.evaluations) != (sum(rows(plan)), rows(plan).each):
        value = f"{first.evaluations} and {further.evaluations} rows counted, {sum(rows(plan))} and {rows(plan).each} planned"
        raise CheckFailed("bench.wrong-count", value, "so the plan does not say what is done", "report it")
    if difference > ALIKE:
        raise CheckFailed(
            "bench.other-images", f"pictures {difference:.1f} grey levels apart", "so the two ways do not draw the same", "report it"
        )
    return Ways(
        sample=sample.said,
        first=first,
        further=further,
        released=released,
        variants=variants,
        bound=(sum(least), least[1]),
        apart=difference,
    )


def _cost(peak: Peak) -> Cost:
    cost: Cost = peak.found
    return cost.model_copy(update={"resident": peak.resident, "card": peak.card})


class Counted:
    """Counts the rows that go through denoisers."""

    def __init__(self, *pipes: Any) -> None:
        self.rows = 0
        for unet in {id(pipe.unet): pipe.unet for pipe in pipes}.values():
            unet.register_forward_pre_hook(_uncompiled(self._count))

    def _count(self, _unet: Any, inputs: tuple[Any, ...]) -> None:
        self.rows += len(inputs[0])


def _uncompiled(count: Callable[..., None]) -> Callable[..., None]:
    """Kept out of a compiled denoiser, which would be compiled anew for every count."""
    import torch

    kept: Callable[..., None] = torch.compiler.disable(count)  # type: ignore[no-untyped-call]
    return kept


def ours(sample: Sample, folder: Path, number: int) -> Cost:
    """One submission as `unconceal run` evaluates it, models loaded before the clock starts."""
    evaluation, (task, submission) = sample.evaluation(folder), sample.pairs()[number]
    by, applied = standard.worker(evaluation, task, submission)
    counted = Counted(by.original.pipe, by.unlearned.pipe)
    judges_loaded(evaluation)
    started = time.perf_counter()
    plan = standard.plan_of(evaluation, task, applied.sha256)
    pictures = measurements.generate_all(by, plan)
    generated = time.perf_counter()
    score_images(evaluation.suite_models, evaluation.tier, task, plan, pictures, Plain().stage("judging", scoring_steps(evaluation.tier)))
    seconds = time.perf_counter() - generated
    drawn = len(asked_of(plan, evaluation.suite.sampler.num_inference_steps))
    return Cost(generate=generated - started, judge=seconds, evaluations=counted.rows, pictures=drawn)


def theirs(sample: Sample, folder: Path, number: int) -> tuple[int, float, float, int, float]:
    """Rows, seconds, seconds of judging, pictures, and how far a few pictures are from ours.

    It is judged by the same judges, and with the pictures of ours, which are the same: so judging costs what it costs there.
    """
    evaluation, (task, submission) = sample.evaluation(folder), sample.pairs()[number]
    by, applied = standard.worker(evaluation, task, submission)
    plan, sampler = standard.plan_of(evaluation, task, applied.sha256), evaluation.suite.sampler
    asked = asked_of(plan, sampler.num_inference_steps)
    stage = Plain().stage("the released way", len(asked))
    counted, pipelines, drawn = Counted(by.original.pipe, by.unlearned.pipe), Pipelines(by.original.pipe, by.unlearned.pipe), {}
    started = time.perf_counter()
    for one in asked:
        drawn[one] = pipelines.draw(one, sampler.num_inference_steps, sampler.guidance_scale)
        stage.advance()
    seconds, rows = time.perf_counter() - started, counted.rows
    pictures = measurements.generate_all(by, plan)
    judges_loaded(evaluation)
    judging = time.perf_counter()
    score_images(evaluation.suite_models, evaluation.tier, task, plan, pictures, Plain().stage("judging", scoring_steps(evaluation.tier)))
    judged = time.perf_counter() - judging
    return rows, seconds, judged, len(asked), difference(plan, pictures["evaluation"], drawn)


def difference(plan: Any, pictures: measurements.BlockImages, drawn: dict[Asked, Any]) -> float:
    """Mean grey levels between the evaluation block's first prompt drawn either way."""
    member, found = plan.evaluation.handovers[0].pictures[0], []
    for arm, by_psi in pictures.branches.items():
        for psi, k in plan.evaluation.k.items():
            other = drawn.get(Asked(member.prompt, member.seed, k, arm))
            if other is not None:
                found.append(np.abs(by_psi[psi].image(0).astype(float) - other).mean())
    return float(np.mean(found))


def judges_loaded(evaluation: Any) -> None:
    """What `run` loads once for all submissions."""
    for name in ("judge", "clip", "kid_extractor"):
        getattr(evaluation.instruments, name)
