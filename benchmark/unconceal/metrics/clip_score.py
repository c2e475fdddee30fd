"""CLIP score: 100 · cosine of the CLIP embeddings of an image and its prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

BATCH_SIZE = 64


class ClipEncoder(Protocol):
    """A CLIP model: embeddings of uint8 images (n, h, w, 3) and of texts, each (n, d), not normalised."""

    def image_features(self, pixels: NDArray[np.uint8]) -> torch.Tensor: ...

    def text_features(self, texts: Sequence[str]) -> torch.Tensor: ...


@torch.inference_mode()
def clip_score(encoder: ClipEncoder, pixels: NDArray[np.uint8], prompts: Sequence[str]) -> float:
    """max(0, mean of 100 · cos(image, prompt)), as torchmetrics' ``CLIPScore`` defines it.

    Args:
        encoder: the CLIP model.
        pixels: (n, h, w, 3) images, uint8.
        prompts: n texts, one per image.

    Returns:
        The score in [0, 100]. Higher: the images fit their prompts better.

    Raises:
        ValueError: no image, or not one prompt per image.
    """
    if len(pixels) != len(prompts) or not len(prompts):
        raise ValueError(f"{len(pixels)} images for {len(prompts)} prompts: expected one prompt per image, and at least one")
    total = torch.zeros(())
    for i in range(0, len(pixels), BATCH_SIZE):
        images = _unit(encoder.image_features(np.array(pixels[i : i + BATCH_SIZE])))
        texts = _unit(encoder.text_features(list(prompts[i : i + BATCH_SIZE])))
        total += (100 * (images * texts).sum(dim=-1)).sum().cpu()
    return float((total / len(prompts)).clamp(min=0))


def clip_score_per_prompt(encoder: ClipEncoder, pixels: Iterable[NDArray[np.uint8]], prompts: Sequence[str]) -> NDArray[np.float64]:
    """:func:`clip_score` of each prompt.

    Args:
        encoder: the CLIP model.
        pixels: for each of p prompts, its images (s, h, w, 3), uint8.
        prompts: p texts.

    Returns:
        (p,) scores in [0, 100].
    """
    return np.asarray([clip_score(encoder, block, [prompt] * len(block)) for block, prompt in zip(pixels, prompts, strict=True)])


def _unit(features: torch.Tensor) -> torch.Tensor:
    length: torch.Tensor = features.norm(dim=-1, keepdim=True)
    return features / length
