"""Peak memory of an evaluation with more images and with more submissions, each in a fresh process."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from unconceal.estimate.image_spec import images_in
from unconceal.execution.scheduler import schedule
from unconceal.hub.local_weights import locate
from unconceal.specs.loader import all_submissions
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.measured_process import run_in_process

FACTORS = (1, 10, 100)
N_STEPS, N_PROMPTS = 2, 8
"""Few steps keep 100 times as many images within minutes; the prompts fill at least one shard."""


class MemoryMeasurement(BaseModel):
    """Peak memory in MB at one scale.

    Attributes:
        scaled: What was multiplied, ``images`` or ``submissions``.
        factor: By how much.
        images: Images in the store.
        peak_mb, gpu_mb: Peak memory of the process, and on the GPU.
    """

    scaled: str
    factor: int
    images: int
    peak_mb: float
    gpu_mb: float


def measure_memory_scaling(sample: BenchSample) -> list[MemoryMeasurement]:
    """Measure the quick tier with 1, 10 and 100 times the seeds, and with as many submissions as are available."""
    small = replace(sample, tier="quick", prompts=N_PROMPTS, steps=N_STEPS)
    names = local_submissions(sample)
    submissions = [
        _measure("submissions", factor, replace(small, submissions=names[:factor])) for factor in FACTORS if factor <= len(names)
    ]
    images = [_measure("images", factor, replace(small, seeds=factor, submissions=sample.submissions[:1])) for factor in FACTORS]
    return [*images, *submissions]


def local_submissions(sample: BenchSample) -> tuple[str, ...]:
    """Names of the task's submissions whose weights are on this machine."""
    submissions = [item for item in all_submissions(sample.root) if item.suite == sample.suite and sample.task in item.checkpoints]
    paths = {
        item.name: locate(checkpoint, sample.root) for item in submissions if (checkpoint := item.checkpoints[sample.task]).repo is None
    }
    return tuple(name for name, path in paths.items() if path is None or path.exists())


def _measure(scaled: str, factor: int, sample: BenchSample) -> MemoryMeasurement:
    result = run_in_process(evaluate_and_count, sample)
    return MemoryMeasurement(scaled=scaled, factor=factor, images=result.value, peak_mb=result.peak_mb, gpu_mb=result.gpu_mb)


def evaluate_and_count(sample: BenchSample) -> int:
    """Run a whole evaluation from an empty store and return its number of images."""
    with tempfile.TemporaryDirectory() as folder:
        evaluation, pairs = sample.evaluation(Path(folder)), sample.pairs()
        schedule(evaluation, pairs)
        plans = [evaluation.plan(task, submission) for task, submission in pairs]
        return sum(map(images_in, {shard for plan in plans for shard in plan.shards}))
