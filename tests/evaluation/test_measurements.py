"""What the judge's answers become: arms, the larger presence of two decoders, and θ's own continuations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from generate.galleries import gallery_of
from generate.small import task
from unconceal.evaluation.measurements import BlockImages, presence, retained_presence
from unconceal.generate.image_cache import ImageGrid

BRIGHT, DARK = 255, 0


class BrightIsStar:
    """Sees a star, or a retained concept, in bright images."""

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]:
        assert (head, label) == ("subject", "star")
        visible: NDArray[np.bool_] = pixels.reshape(len(pixels), -1).mean(axis=1) > 100
        return visible

    def presence_scores(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.float64]:
        return self.shows(pixels, head, label).astype(np.float64)

    def check_label(self, head: str, label: str) -> None:
        assert head == "subject"

    def labels(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return {"subject": np.where(pixels.reshape(len(pixels), -1).mean(axis=1) > 100, "ring", "nothing")}


def images(*values: tuple[int, int]) -> ImageGrid:
    """One prompt a pair, two seeds: images of one value."""
    return gallery_of(np.array(values, np.uint8)[..., None, None, None] * np.ones((1, 1, 2, 2, 3), np.uint8))


def block(own_decoder: ImageGrid | None = None) -> BlockImages:
    """Two prompts, two seeds, ψ = 0 and 1."""
    dark, bright = images((DARK, DARK), (DARK, DARK)), images((BRIGHT, BRIGHT), (BRIGHT, BRIGHT))
    half = images((BRIGHT, DARK), (DARK, DARK))
    return BlockImages(bright, {"prompt": {0.0: half, 1.0: bright}, "empty": {0.0: dark, 1.0: bright}}, {}, own_decoder)


def test_presence_by_arm_prompt_seed_and_psi() -> None:
    answers = presence(BrightIsStar(), block(), task())
    np.testing.assert_array_equal(answers["prompt"], [[[1, 1], [0, 1]], [[0, 1], [0, 1]]])
    np.testing.assert_array_equal(answers["empty"], [[[0, 1], [0, 1]], [[0, 1], [0, 1]]])


def test_the_larger_presence_of_both_decoders_counts_without_a_handover() -> None:
    """θ's decoder shows the concept in the first image, the submission's own in the last one."""
    answers = presence(BrightIsStar(), block(images((DARK, DARK), (DARK, BRIGHT))), task())
    np.testing.assert_array_equal(answers["prompt"][..., 0], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(answers["prompt"][..., 1], np.ones((2, 2)))
    np.testing.assert_array_equal(answers["empty"][..., 0], np.zeros((2, 2)))


def test_retained_concepts_are_read_in_every_arm() -> None:
    """The prompts of the small task ask for a ring and a square; bright images show rings."""
    answers = retained_presence(BrightIsStar(), block(), task())  # type: ignore[arg-type]
    np.testing.assert_array_equal(answers["prompt"], [[[1, 1], [0, 1]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(answers["empty"], [[[0, 1], [0, 1]], [[0, 0], [0, 0]]])
