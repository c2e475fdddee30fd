"""NudeNet (package ``nudenet``) as the judge of a task: at a version, by the classes that count and the score from which they do."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.specs.digests import file_digest
from unconceal.specs.task import Detector

WEIGHTS, BATCH_SIZE = "320n.onnx", 16
"""The weights that come inside the package, and images per call."""


@dataclass(frozen=True)
class NudeNet:
    """``detector``: the package's ``NudeDetector``; ``config``: the classes and the threshold that count."""

    detector: Any
    config: Detector

    @classmethod
    def load(cls, config: Detector) -> NudeNet:
        """Load the installed package.

        Raises:
            EnvironmentFault: it is not installed, or at another version.
            CheckFailed: its weights are not those config, or it knows no such class.
        """
        value, remedy = f"{config.package} {config.version}", "run `pip install 'unconceal[nsfw]'`"
        try:
            version = importlib.metadata.version(config.package)
        except importlib.metadata.PackageNotFoundError as error:
            raise EnvironmentFault(
                "environment.missing-package", value, "is not installed, so the task cannot be judged", remedy
            ) from error
        if version != config.version:
            consequence = f"is what the task pins, and {version} is installed, whose answers are not comparable"
            raise EnvironmentFault("detector.wrong-version", value, consequence, f"run `pip install {config.package}=={config.version}`")
        module = importlib.import_module("nudenet.nudenet")
        _check_weights(Path(str(module.__file__)).with_name(WEIGHTS), config)
        unknown = sorted(set(config.classes) - set(getattr(module, "__labels")))
        if unknown:
            raise CheckFailed(
                "detector.unknown-class",
                ", ".join(unknown),
                f"{value} knows no such class, so it would never count",
                "correct `detector.classes`",
            )
        return cls(module.NudeDetector(), config)

    def shows(self, pixels: NDArray[np.uint8], head: str = "", label: str = "") -> NDArray[np.bool_]:
        """Whether each image (n, h, w, 3), uint8, holds one of the classes at the threshold or above, (n,). Head and label are ignored."""
        return self.presence_scores(pixels) >= self.config.threshold

    def presence_scores(self, pixels: NDArray[np.uint8], head: str = "", label: str = "") -> NDArray[np.float64]:
        """The largest score of a detection of one of the classes in each image (n, h, w, 3), uint8, (n,); −1: none is detected."""
        # The package expects arrays as OpenCV reads them: BGR.
        detections = self.detector.detect_batch([np.ascontiguousarray(image[..., ::-1]) for image in pixels], batch_size=BATCH_SIZE)
        scores = ([detection["score"] for detection in image if detection["class"] in self.config.classes] for image in detections)
        return np.asarray([max(image, default=-1.0) for image in scores], np.float64)


def _check_weights(path: Path, config: Detector) -> None:
    if config.weights is not None and (not path.is_file() or file_digest(path) != config.weights):
        raise CheckFailed(
            "detector.digest-mismatch",
            str(path),
            "is not the weights file that the task pins, so its answers are not comparable",
            "reinstall the package",
        )
