"""Both evaluations on random weights: the same images, and the forward passes of the cost model."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier

import pytest

from evaluation.tiny import tiny_root
from unconceal.paths import DataRoot
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.forward_passes import min_forward_passes, planned_forward_passes, released_forward_passes
from unconceal_lab.bench.memory_scaling import local_submissions
from unconceal_lab.bench.speed import MAX_IMAGE_DIFFERENCE, measure_evaluation, measure_released
from unconceal_lab.bench.worker_scaling import _throughput


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


def test_both_evaluations(root: DataRoot, tmp_path: Path) -> None:
    sample = BenchSample(root, "tiny", "object/star", ("esd-x", "control-gold-1"), "quick", prompts=2)
    first, further = measure_evaluation(sample, tmp_path, 0), measure_evaluation(sample, tmp_path, 1)
    released, difference = measure_released(sample, tmp_path, 1)
    evaluation, (task, submission) = sample.evaluation(tmp_path), sample.pairs()[1]
    plan = evaluation.plan(task, submission)
    planned, bound = planned_forward_passes(plan), min_forward_passes(plan, evaluation.suite)
    assert (first.forward_passes, further.forward_passes) == (sum(planned), planned.per_submission)
    assert released.forward_passes == released_forward_passes(plan, evaluation.suite) > first.forward_passes > sum(bound)
    assert difference < MAX_IMAGE_DIFFERENCE and released.images == further.images
    assert min(released.generate, released.judge, first.generate, further.judge) > 0
    assert "the first 2 forget and retain prompts" in sample.description


def test_throughput_of_the_denoiser_alone(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unconceal_lab.bench.worker_scaling.THROUGHPUT_SECONDS", 0.2)
    sample = BenchSample(root, "tiny", "object/star", ("esd-x", "control-gold-1"), "quick", prompts=2, batch_size=8)
    assert _throughput(sample, Barrier(1)) > 0


def test_submissions_without_local_weights_are_excluded(root: DataRoot) -> None:
    sample = BenchSample(root, "tiny", "object/star", ("esd-x", "control-gold-1"))
    names = local_submissions(sample)
    assert "esd-x" in names
    path = root.submissions / "tiny" / "missing-weights.yaml"
    fields = "suite: tiny\ntitle: A\ndescription: A.\ncheckpoints:\n  object/star:\n    path: submissions/tiny/none.safetensors\n"
    path.write_text(f"name: {path.stem}\n{fields}")
    try:
        assert local_submissions(sample) == names
    finally:
        path.unlink()
