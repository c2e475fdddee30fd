from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unconceal.metrics.clip_score import clip_score, clip_score_per_prompt


class Colours:
    """A CLIP of two dimensions: how red and how blue an image is, and which of the words stand in a text."""

    def image_features(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(pixels[..., [0, 2]].astype(np.float64).mean(axis=(1, 2)))

    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([["red" in text, "blue" in text] for text in texts], dtype=torch.float64)


def image(red: int, blue: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.asarray([red, 0, blue], np.uint8), (8, 8, 3))


def test_clip_score_by_hand() -> None:
    """(30, 40) against red: .6; against red and blue: .7 · √2; mean over both, times 100."""
    pixels = np.stack([image(30, 40), image(30, 40)])
    assert clip_score(Colours(), pixels, ["red", "red and blue"]) == pytest.approx(50 * (0.6 + 0.7 * 2**0.5), rel=1e-5)


def test_clip_score_over_several_batches() -> None:
    pixels = np.stack([image(30, 40)] * 70 + [image(40, 30)] * 30)
    assert clip_score(Colours(), pixels, ["red"] * 100) == pytest.approx(0.7 * 60 + 0.3 * 80, rel=1e-5)


def test_clip_score_per_prompt() -> None:
    pixels = np.stack([np.stack([image(30, 40), image(40, 30)]), np.stack([image(9, 0), image(0, 9)])])
    np.testing.assert_allclose(clip_score_per_prompt(Colours(), pixels, ["red", "blue"]), [70, 50], rtol=1e-5)


def test_refuses_unequal_numbers() -> None:
    with pytest.raises(ValueError, match=r"\b1 \D*2 "):
        clip_score(Colours(), np.stack([image(1, 1)]), ["red", "blue"])


def torchmetrics_score(images: torch.Tensor, texts: torch.Tensor) -> float:
    """The formula of torchmetrics' ``CLIPScore``: max(0, mean of 100 · cos)."""
    cosines = [100 * float(x @ y) / (float(x @ x) * float(y @ y)) ** 0.5 for x, y in zip(images, texts, strict=True)]
    return float(max(0.0, sum(cosines) / len(cosines)))


@pytest.mark.parametrize("shift", [1.0, 0.0, -1.0])
def test_clip_score_is_that_of_torchmetrics(shift: float) -> None:
    """Random embeddings about which ``shift`` says whether images fit their texts, are unrelated, or oppose them."""

    class Random:
        def image_features(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
            return images[pixels[:, 0, 0, 0].tolist()]

        def text_features(self, prompts: Sequence[str]) -> torch.Tensor:
            return texts[[int(prompt) for prompt in prompts]]

    generator = torch.Generator().manual_seed(0)
    texts = torch.randn(100, 16, generator=generator)
    images = 3 * (torch.randn(100, 16, generator=generator) + shift * texts)
    pixels = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None, None], (100, 8, 8, 3))
    score = clip_score(Random(), pixels, [str(i) for i in range(100)])
    assert score == pytest.approx(torchmetrics_score(images, texts), rel=1e-5)
    assert score > 0 if shift > 0 else shift == 0 or score == 0


def test_refuses_unequal_numbers_of_prompts_and_blocks() -> None:
    with pytest.raises(ValueError, match="zip"):
        clip_score_per_prompt(Colours(), [np.stack([image(1, 1)])], ["red", "blue"])
