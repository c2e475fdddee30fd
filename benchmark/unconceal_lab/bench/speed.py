"""Time, forward passes and peak memory of an evaluation against the released one, for the first submission and for each further one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from unconceal.errors import CheckFailed
from unconceal.evaluation import measurements, standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.image_scores import score_images, scoring_steps
from unconceal.generate.generator import Generator, Pixels
from unconceal.generate.plan import Plan
from unconceal.progress import Plain
from unconceal.specs.task import Task
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.forward_passes import ForwardPasses, min_forward_passes, planned_forward_passes
from unconceal_lab.bench.measured_process import MeasuredResult, run_in_process
from unconceal_lab.bench.released_pipeline import ImageRequest, ReleasedPipelines, image_requests

MAX_IMAGE_DIFFERENCE = 2.0
"""Grey levels: largest mean difference between the images of both evaluations."""


class Cost(BaseModel):
    """Cost of one evaluation.

    Attributes:
        generate, judge: Seconds.
        forward_passes: Forward passes of the denoiser, counted by a hook.
        images: Number of images.
        peak_mb, gpu_mb: Peak memory of the process, and on the GPU.
    """

    generate: float
    judge: float
    forward_passes: int
    images: int
    peak_mb: float = 0.0
    gpu_mb: float = 0.0

    @property
    def total(self) -> float:
        return self.generate + self.judge


class SpeedComparison(BaseModel):
    """Costs of this evaluation and of the released one.

    Attributes:
        variants: Costs with other compute settings, each ``first`` and ``further``.
        min_forward_passes: Lower bound of the protocol for the first and a further submission.
        image_difference: Mean difference of the images of both evaluations in grey levels.
    """

    sample: str
    first: Cost
    further: Cost
    released: Cost
    variants: dict[str, dict[str, Cost]] = {}
    min_forward_passes: tuple[int, int]
    image_difference: float


class ReleasedMeasurement(NamedTuple):
    """Cost of the released evaluation, and how far its images differ in grey levels."""

    cost: Cost
    image_difference: float


def compare_speed(sample: BenchSample) -> SpeedComparison:
    """Measure each evaluation in a process of its own; the second submission reuses the stored images of the first.

    Raises:
        CheckFailed: the evaluations generate different images, or the plan's forward passes are wrong.
    """
    variants = {
        "with `--optimize compile`": replace(sample, optimizations=("compile",)),
        "in bfloat16": replace(sample, dtype="bfloat16"),
    }
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        first, further = (_measure(sample, store, index) for index in (0, 1))
        variant_costs = {
            name: {order: _measure(variant, store, index) for index, order in enumerate(("first", "further"))}
            for name, variant in variants.items()
        }
        result = run_in_process(measure_released, sample, store, 1)
    released: ReleasedMeasurement = result.value
    task, submission = sample.pairs()[1]
    evaluation = sample.evaluation(Path("unused"))
    plan = evaluation.plan(task, submission)
    bound = min_forward_passes(plan, evaluation.suite)
    refuse_wrong_count(planned_forward_passes(plan), first, further)
    if released.image_difference > MAX_IMAGE_DIFFERENCE:
        value = f"images {released.image_difference:.1f} grey levels apart"
        raise CheckFailed("bench.other-images", value, "so the two evaluations generate different images", "report it")
    return SpeedComparison(
        sample=sample.description,
        first=first,
        further=further,
        released=_with_memory(released.cost, result),
        variants=variant_costs,
        min_forward_passes=(sum(bound), bound.per_submission),
        image_difference=released.image_difference,
    )


def refuse_wrong_count(planned: ForwardPasses, first: Cost, further: Cost) -> None:
    """Raise CheckFailed unless the counted forward passes are the planned ones."""
    if (first.forward_passes, further.forward_passes) != (sum(planned), planned.per_submission):
        value = f"{first.forward_passes} and {further.forward_passes} forward passes, {sum(planned)} and {planned.per_submission} planned"
        raise CheckFailed("bench.wrong-count", value, "so the plan is wrong", "report it")


def _measure(sample: BenchSample, folder: Path, index: int) -> Cost:
    result = run_in_process(measure_evaluation, sample, folder, index)
    return _with_memory(result.value, result)


def _with_memory(cost: Cost, result: MeasuredResult) -> Cost:
    return cost.model_copy(update={"peak_mb": result.peak_mb, "gpu_mb": result.gpu_mb})


class ForwardPassCounter:
    """Counts the forward passes of the pipelines' denoisers."""

    def __init__(self, *pipelines: Any) -> None:
        self.count = 0
        for unet in {id(pipeline.unet): pipeline.unet for pipeline in pipelines}.values():
            unet.register_forward_pre_hook(_uncompiled(self._add))

    def _add(self, _unet: Any, inputs: tuple[Any, ...]) -> None:
        self.count += len(inputs[0])


def _uncompiled(hook: Callable[..., None]) -> Callable[..., None]:
    """Keep a hook out of a compiled denoiser, which would be recompiled at every new count."""
    import torch

    disabled: Callable[..., None] = torch.compiler.disable(hook)  # type: ignore[no-untyped-call]
    return disabled


def measure_evaluation(sample: BenchSample, folder: Path, index: int) -> Cost:
    """Cost of one submission as `unconceal run` evaluates it, without loading the models."""
    evaluation, (task, submission) = sample.evaluation(folder), sample.pairs()[index]
    generator, applied = standard.load(evaluation, task, submission)
    counter = ForwardPassCounter(generator.original.pipeline, generator.unlearned.pipeline)
    load_judges(evaluation)
    plan = evaluation.plan_for(task, applied.sha256)
    started = time.perf_counter()
    images = measurements.generate_all(generator, plan)
    generated = time.perf_counter() - started
    judged = judging_seconds(evaluation, task, plan, images)
    n_images = len(image_requests(plan, evaluation.suite.sampler.num_inference_steps))
    return Cost(generate=generated, judge=judged, forward_passes=counter.count, images=n_images)


def measure_released(sample: BenchSample, folder: Path, index: int) -> ReleasedMeasurement:
    """Cost of one submission in the released evaluation.

    Judging is measured on the images of this package's evaluation, which are the same.
    """
    evaluation, (task, submission) = sample.evaluation(folder), sample.pairs()[index]
    generator, applied = standard.load(evaluation, task, submission)
    plan, sampler = evaluation.plan_for(task, applied.sha256), evaluation.suite.sampler
    requests = image_requests(plan, sampler.num_inference_steps)
    stage = Plain().stage("the released evaluation", len(requests))
    counter, pipelines = _released_pipelines(generator)
    pixels: dict[ImageRequest, Pixels] = {}
    started = time.perf_counter()
    for request in requests:
        pixels[request] = pipelines.generate(request, sampler.num_inference_steps, sampler.guidance_scale)
        stage.advance()
    generated, forward_passes = time.perf_counter() - started, counter.count
    images = measurements.generate_all(generator, plan)
    load_judges(evaluation)
    judged = judging_seconds(evaluation, task, plan, images)
    cost = Cost(generate=generated, judge=judged, forward_passes=forward_passes, images=len(requests))
    return ReleasedMeasurement(cost, image_difference(plan, images["evaluation"], pixels))


def _released_pipelines(generator: Generator) -> tuple[ForwardPassCounter, ReleasedPipelines]:
    pipelines = (generator.original.pipeline, generator.unlearned.pipeline)
    return ForwardPassCounter(*pipelines), ReleasedPipelines(*pipelines)


def judging_seconds(evaluation: Evaluation, task: Task, plan: Plan, images: dict[str, measurements.BlockImages]) -> float:
    """Seconds to compute all image scores."""
    started = time.perf_counter()
    stage = Plain().stage("judging", scoring_steps(evaluation.tier))
    score_images(evaluation.suite_models, evaluation.tier, task, plan, images, stage)
    return time.perf_counter() - started


def image_difference(plan: Plan, images: measurements.BlockImages, pixels: dict[ImageRequest, Pixels]) -> float:
    """Mean difference in grey levels over all branches of the evaluation block's first image."""
    key, differences = plan.evaluation.handovers[0].images[0], []
    for arm, by_psi in images.branches.items():
        for psi, k in plan.evaluation.k.items():
            released = pixels.get(ImageRequest(key.prompt, key.seed, k, arm))
            if released is not None:
                differences.append(np.abs(by_psi[psi].image(0).astype(float) - released).mean())
    return float(np.mean(differences))


def load_judges(evaluation: Evaluation) -> None:
    """Load the models that `run` loads once for all submissions."""
    for name in ("judge", "clip", "kid_extractor"):
        getattr(evaluation.suite_models, name)
