"""Both ways on random weights: the same pictures, and the rows that the cost model says."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier

import pytest

from evaluation.tiny import tiny_root
from unconceal.evaluation.standard import plan_of
from unconceal.paths import DataRoot
from unconceal_lab.bench.bench_sample import Sample
from unconceal_lab.bench.forward_passes import bound, released_rows, rows
from unconceal_lab.bench.memory_scaling import here
from unconceal_lab.bench.speed import ALIKE, ours, theirs
from unconceal_lab.bench.worker_scaling import _rows


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


def test_both_ways(root: DataRoot, tmp_path: Path) -> None:
    sample = Sample(root, "tiny", "object/star", ("esd-x", "control-gold-1"), "lite", prompts=2)
    first, further = ours(sample, tmp_path, 0), ours(sample, tmp_path, 1)
    evaluations, seconds, judged, pictures, apart = theirs(sample, tmp_path, 1)
    evaluation, (task, submission) = sample.evaluation(tmp_path), sample.pairs()[1]
    plan = plan_of(evaluation, task, evaluation.weights_digest(task, submission))
    assert (first.evaluations, further.evaluations) == (sum(rows(plan)), rows(plan).each)
    assert evaluations == released_rows(plan, evaluation.suite) > first.evaluations > sum(bound(plan, evaluation.suite))
    assert apart < ALIKE and pictures == further.pictures
    assert min(seconds, judged, first.generate, further.judge) > 0
    assert "the first 2 forget and retain prompts" in sample.said


def test_what_the_machine_has_to_give(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unconceal_lab.bench.worker_scaling.BARE_SECONDS", 0.2)
    sample = Sample(root, "tiny", "object/star", ("esd-x", "control-gold-1"), "lite", prompts=2, batch=8)
    assert _rows(sample, Barrier(1)) > 0


def test_submissions_whose_weights_are_not_here_are_left_out(root: DataRoot) -> None:
    sample = Sample(root, "tiny", "object/star", ("esd-x", "control-gold-1"))
    found = here(sample)
    assert "esd-x" in found
    path = root.submissions / "tiny" / "weights-that-are-not-here.yaml"
    told = "suite: tiny\ntitle: A\ndescription: A.\ncheckpoints:\n  object/star:\n    path: submissions/tiny/none.safetensors\n"
    path.write_text(f"name: {path.stem}\n{told}")
    try:
        assert here(sample) == found
    finally:
        path.unlink()
