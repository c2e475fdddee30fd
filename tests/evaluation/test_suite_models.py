"""Who judges a task, and what is refused before anything is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codes import raises
from evaluation.tiny import tiny_root, write_gate
from generate.galleries import gallery_of
from unconceal.evaluation import standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.measurements import BlockImages, presence
from unconceal.judges.nudenet import NudeNet
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.task import Detector, Task


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def evaluation(root: DataRoot) -> Evaluation:
    return Evaluation(load_suite(root, "tiny"), root, "quick")


@pytest.fixture
def task(root: DataRoot) -> Task:
    return load_task(root, "tiny:object/star")


def test_a_judge_that_failed_its_gate_stops_a_run_before_it_begins(
    root: DataRoot, evaluation: Evaluation, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = root.tasks.parent / "models/judge"
    write_gate(judge, low=0.5)
    monkeypatch.setattr(Evaluation, "models", lambda *_: pytest.fail("a model was loaded"))
    try:
        with raises("judge.gate-failed"):
            standard.load(evaluation, task, load_submission(root, "tiny/esd-x"))
    finally:
        write_gate(judge, low=0.95)
    assert evaluation.suite_models.judge_for(task) is evaluation.suite_models.judge


def test_a_retained_concept_that_the_judge_does_not_know(evaluation: Evaluation, task: Task) -> None:
    unknown = task.retain[0].model_copy(update={"concept": "unicorn"})
    with raises("judge.unknown-label"):
        evaluation.suite_models.check(task.model_copy(update={"retain": (unknown,)}))


def test_a_task_with_a_detector_is_judged_by_it(evaluation: Evaluation, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = Detector(package="nudenet", version="3.4.2", classes=("FACE_MALE",), threshold=0.6)

    class Bright:
        """Sees its classes in bright pictures."""

        def shows(self, pixels: Any, head: str, label: str) -> Any:
            return pixels.reshape(len(pixels), -1).mean(axis=1) > 127

    requested: list[Detector] = []

    def load(detector: Detector) -> Bright:
        requested.append(detector)
        return Bright()

    monkeypatch.setattr(NudeNet, "load", load)
    detected = task.model_copy(update={"detector": pinned})
    pixels = gallery_of(np.stack([np.full((2, 8, 8, 3), shade, np.uint8) for shade in (0, 255)]))
    images = presence(evaluation.suite_models.judge_for(detected), BlockImages(pixels, {"prompt": {0.0: pixels}}, {}), detected)
    assert requested == [pinned] and images["prompt"][..., 0].tolist() == [[0, 0], [1, 1]]


def test_the_models_lie_where_they_work_when_they_are_offloaded(root: DataRoot, task: Task, tmp_path: Path) -> None:
    """The same pictures as without it, and a stage that θ and θ* share."""
    suite, submission = load_suite(root, "tiny"), load_submission(root, "tiny/esd-x")
    whole, offloaded = (Evaluation(suite, root, "quick", offload=offload).models(task, submission) for offload in (False, True))
    stage = offloaded[0].offloader
    assert whole[0].offloader is None and stage is not None and offloaded[1].offloader is stage
    rendered = [model.decode(model.noise([3])) for model in (whole[1], offloaded[1])]
    np.testing.assert_array_equal(rendered[0], rendered[1])
    assert stage.resident == [offloaded[1].pipeline.vae]
