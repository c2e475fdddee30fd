from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unconceal.metrics.clip_score import clip_score, clip_score_per_prompt


class Colours:
    """A CLIP of two dimensions: how red and how blue a picture is, and which of the words stand in a text."""

    def image_features(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(pixels[..., [0, 2]].astype(np.float64).mean(axis=(1, 2)))

    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([["red" in text, "blue" in text] for text in texts], dtype=torch.float64)


def picture(red: int, blue: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.asarray([red, 0, blue], np.uint8), (8, 8, 3))


def test_clip_score_by_hand() -> None:
    """(30, 40) against red: .6; against red and blue: .7 · √2; mean over both, times 100."""
    pixels = np.stack([picture(30, 40), picture(30, 40)])
    assert clip_score(Colours(), pixels, ["red", "red and blue"]) == pytest.approx(50 * (0.6 + 0.7 * 2**0.5), rel=1e-5)


def test_clip_score_over_several_batches() -> None:
    pixels = np.stack([picture(30, 40)] * 70 + [picture(40, 30)] * 30)
    assert clip_score(Colours(), pixels, ["red"] * 100) == pytest.approx(0.7 * 60 + 0.3 * 80, rel=1e-5)


def test_clip_score_per_prompt() -> None:
    pixels = np.stack([np.stack([picture(30, 40), picture(40, 30)]), np.stack([picture(9, 0), picture(0, 9)])])
    np.testing.assert_allclose(clip_score_per_prompt(Colours(), pixels, ["red", "blue"]), [70, 50], rtol=1e-5)


def test_refuses_unequal_numbers() -> None:
    with pytest.raises(ValueError, match="one prompt per picture"):
        clip_score(Colours(), np.stack([picture(1, 1)]), ["red", "blue"])
