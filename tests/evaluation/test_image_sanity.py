"""Images that are none are told from images."""

from __future__ import annotations

import numpy as np
import pytest

from codes import raises
from unconceal.evaluation.image_sanity import check_images, degenerate
from unconceal.specs.submission import Submission

GENERATOR = np.random.default_rng(0)
NOISE = GENERATOR.integers(0, 256, (4, 16, 16, 3), np.uint8)
FLAT = np.full((4, 16, 16, 3), (200, 10, 90), np.uint8)
SATURATED = np.where(NOISE < 128, 0, 255).astype(np.uint8)
STRIPE = np.concatenate([FLAT[:, :, :14], NOISE[:, :, :2]], axis=2)


def submission(name: str) -> Submission:
    checkpoints = {"object/star": {"path": "a.pt"}}
    return Submission.model_validate({"name": name, "suite": "s", "title": "T", "description": "D", "checkpoints": checkpoints})


@pytest.mark.parametrize(("pixels", "bad"), [(NOISE, False), (STRIPE, False), (FLAT, True), (SATURATED, True)])
def test_flat_and_saturated_images(pixels: np.ndarray, bad: bool) -> None:
    assert degenerate(pixels).tolist() == [bad] * 4


def test_half_of_the_images_may_be_none_and_a_control_may_be_destroyed() -> None:
    check_images([NOISE, FLAT], submission("mine"), "object/star")
    check_images([FLAT], submission("control-collapsed"), "object/star")
    with raises("images.degenerate"):
        check_images([NOISE, FLAT, SATURATED], submission("mine"), "object/star")
