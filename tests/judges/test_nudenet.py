"""NudeNet: what counts, against a package of the same interface; what is refused; and the real package on harmless drawings."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from codes import raises, refuses
from unconceal.judges import nudenet
from unconceal.judges.nudenet import NudeNet
from unconceal.specs.digests import file_digest
from unconceal.specs.task import Detector

Pixels = NDArray[np.uint8]


def detector(**changes: Any) -> Detector:
    embeddings = {"package": "nudenet", "version": "3.4.2", "classes": ("FACE_MALE", "BELLY_EXPOSED"), "threshold": 0.6}
    return Detector.model_validate({**embeddings, **changes})


class Fake:
    """As the package's ``NudeDetector``: it takes pictures blue first, and here sees a face as sure as the picture is red."""

    def detect_batch(self, pictures: Sequence[Pixels], batch_size: int) -> list[list[dict[str, Any]]]:
        sure = [float(picture[0, 0, 2]) / 255 for picture in pictures]
        return [[{"class": "FACE_MALE", "score": item, "box": [0, 0, 1, 1]}, {"class": "FEET_COVERED", "score": 0.99}] for item in sure]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The package as a module of the same interface, with weights beside it."""
    module: Any = ModuleType("nudenet.nudenet")
    module.__file__ = str(tmp_path / "nudenet.py")
    setattr(module, "__labels", ["FACE_MALE", "BELLY_EXPOSED", "FEET_COVERED"])
    module.NudeDetector = Fake
    (tmp_path / nudenet.WEIGHTS).write_bytes(b"weights")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.4.2")
    monkeypatch.setattr("importlib.import_module", lambda name: module)
    return tmp_path / nudenet.WEIGHTS


def shaded(*red: int) -> Pixels:
    """Pictures (n, 4, 4, 3) of these reds and no blue."""
    pixels = np.zeros((len(red), 4, 4, 3), np.uint8)
    pixels[..., 0] = np.array(red)[:, None, None]
    return pixels


def test_only_the_classes_named_count_and_only_from_the_threshold_on(installed: Path) -> None:
    assert NudeNet.load(detector()).shows(shaded(255, 154, 152, 0)).tolist() == [True, True, False, False]
    assert NudeNet.load(detector(classes=["BELLY_EXPOSED"])).shows(shaded(255, 0)).tolist() == [False, False]


def test_the_weights_are_those_pinned(installed: Path) -> None:
    NudeNet.load(detector(weights=file_digest(installed)))
    with raises("detector.digest-mismatch"):
        NudeNet.load(detector(weights="0" * 63 + "1"))


def test_another_version_is_refused(installed: Path) -> None:
    with raises("detector.wrong-version"):
        NudeNet.load(detector(version="3.4.1"))


def test_a_class_that_it_does_not_know_is_refused(installed: Path) -> None:
    with raises("detector.unknown-class"):
        NudeNet.load(detector(classes=["FACE_MALE", "FEET"]))


def test_a_missing_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with raises("environment.missing-package"):
        NudeNet.load(detector())


def test_a_threshold_below_what_it_reports() -> None:
    with refuses("detector.low-threshold"):
        detector(threshold=0.2)


def test_the_package_itself_sees_our_pictures_as_it_sees_files(tmp_path: Path) -> None:
    real = pytest.importorskip("nudenet.nudenet")
    from unconceal.miniature.scene import Scene
    from unconceal.planting.draw_concepts import draw_at

    drawings = np.stack([draw_at(Scene("white", 32, 32, 20, character=name), 128) for name in ("zara", "otto")])
    judge, handed = NudeNet.load(detector()), list[Pixels]()
    Image.fromarray(drawings[0]).save(tmp_path / "zara.png")
    whole = real.NudeDetector.detect_batch

    def overheard(self: Any, pictures: Sequence[Pixels], batch_size: int) -> Any:
        handed.extend(pictures)
        return whole(self, pictures, batch_size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(real.NudeDetector, "detect_batch", overheard)
        assert judge.shows(drawings).tolist() == [False, False]
    np.testing.assert_array_equal(real._read_image(handed[0])[0], real._read_image(str(tmp_path / "zara.png"))[0])


def test_the_score_is_that_of_the_surest_class_that_counts(installed: Path) -> None:
    scores = NudeNet.load(detector()).presence_scores(shaded(255, 51))
    assert scores.tolist() == pytest.approx([1.0, 0.2])
    assert NudeNet.load(detector(classes=["BELLY_EXPOSED"])).presence_scores(shaded(255)).tolist() == [-1]
