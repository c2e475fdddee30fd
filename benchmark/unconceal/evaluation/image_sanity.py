"""Images that are none: one flat colour, or nothing but black and white points, as NaN and absurd weights make them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unconceal.errors import CheckFailed
from unconceal.specs.submission import Submission

FLAT_STD, SATURATED_SHARE, MAX_SHARE = 1.0, 0.99, 0.5
"""Standard deviation of pixel values below which an image is flat; share of 0 and 255 above which it is saturated; most such images."""


def degenerate(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,) whether each uint8 image (n, h, w, 3) is flat in all channels, or saturated."""
    values = pixels.reshape(len(pixels), -1, pixels.shape[-1]).astype(np.float32)
    flat = (values.std(axis=1) < FLAT_STD).all(axis=1)
    saturated = ((values == 0) | (values == 255)).mean(axis=(1, 2)) > SATURATED_SHARE
    return np.asarray(flat | saturated)


def check_images(batches: Iterable[NDArray[np.uint8]], submission: Submission, task: str) -> None:
    """Check θ*'s own images before the classifiers are trained on them. The suite's controls may be destroyed models.

    Raises:
        CheckFailed: more than half of them are no images.
    """
    bad = np.concatenate([degenerate(pixels) for pixels in batches])
    if bad.mean() > MAX_SHARE and not submission.is_control:
        value, consequence = f"{submission.name} on {task}", f"{bad.sum()} of {len(bad)} images are one flat colour or saturated"
        raise CheckFailed("images.degenerate", value, f"{consequence}, so there is nothing to judge", "check the weights for NaN and scale")
