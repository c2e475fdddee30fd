"""Augmentations for the concept judge's training: light ones that keep an image's labels, heavy ones that make it "unreadable".

Nothing in between is used, since its label would be arbitrary. All functions work on square uint8 images (n, h, w, 3) and take a NumPy
generator. Blur and grain are given for images 64 pixels wide and scale with the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unconceal.judges.concept_judge import UNREADABLE

Pixels = NDArray[np.uint8]
MID_GREY = 127.5
REFERENCE_SIDE = 64


def blur_scale(pixels: Pixels) -> float:
    """Side of the images over :data:`REFERENCE_SIDE`."""
    return float(pixels.shape[1]) / REFERENCE_SIDE


def blur(pixels: Pixels, radius: float) -> Pixels:
    """Gaussian blur; ``radius`` is its standard deviation in pixels."""
    return _bytes(gaussian_filter(pixels.astype(np.float32), (0, radius, radius, 0)))


def noise(pixels: Pixels, std: float, rng: np.random.Generator) -> Pixels:
    """Gaussian noise of ``deviation`` grey levels (0 to 255)."""
    return _bytes(pixels + rng.normal(0, std, pixels.shape))


def fade(pixels: Pixels, contrast: float) -> Pixels:
    """Contrast reduced towards mid grey: 1 keeps everything, 0 nothing."""
    return _bytes(MID_GREY + contrast * (pixels.astype(np.float32) - MID_GREY))


def shuffle(pixels: Pixels, rng: np.random.Generator, tile: int | None = None) -> Pixels:
    """Tiles of ``tile`` pixels (default: an eighth of the side) in random positions: right colours, no shape."""
    n, h, w, c = pixels.shape
    tile = tile or h // 8
    tiles = pixels.reshape(n, h // tile, tile, w // tile, tile, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, tile, tile, c)
    mixed = np.stack([block[rng.permutation(len(block))] for block in tiles])
    return np.ascontiguousarray(mixed.reshape(n, h // tile, w // tile, tile, tile, c).transpose(0, 1, 3, 2, 4, 5).reshape(pixels.shape))


def constant(n: int, size: int, rng: np.random.Generator) -> Pixels:
    """n images of one colour each."""
    return np.repeat(np.repeat(rng.integers(256, size=(n, 1, 1, 3), dtype=np.uint8), size, axis=1), size, axis=2)


def pure_noise(n: int, size: int, rng: np.random.Generator) -> Pixels:
    """n images of noise, from per-pixel noise to blotches."""
    grains = [rng.normal(0, 1, (size, size, 3)) for _ in range(n)]
    spans = rng.uniform(0, 4, n) * (size / REFERENCE_SIDE)
    smoothed = [gaussian_filter(grain, (s, s, 0)) for grain, s in zip(grains, spans, strict=True)]
    spread = [grain / max(float(grain.std()), 1e-6) * rng.uniform(20, 80) + rng.uniform(60, 195) for grain in smoothed]
    return _bytes(np.asarray(spread).reshape(n, size, size, 3))


def lightly_disturbed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Each image slightly blurred, faded or noisy, at random; never as blurred as the style "blurred"."""
    disturbed = pixels.copy()
    for i in range(len(pixels)):
        image = disturbed[i : i + 1]
        image = blur(image, rng.uniform(0.2, 0.7) * blur_scale(pixels)) if rng.random() < 0.3 else image
        image = fade(image, rng.uniform(0.6, 1)) if rng.random() < 0.3 else image
        disturbed[i : i + 1] = noise(image, rng.uniform(2, 22), rng) if rng.random() < 0.5 else image
    return disturbed


def made_unreadable(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Each image made unreadable: blurred, faded to almost nothing, covered with noise, or its tiles shuffled."""
    augmentations = (
        lambda image: blur(image, rng.uniform(10, 16) * blur_scale(pixels)),
        lambda image: noise(fade(image, rng.uniform(0, 0.03)), rng.uniform(4, 30), rng),
        lambda image: noise(fade(image, rng.uniform(0, 0.08)), rng.uniform(60, 120), rng),
        lambda image: shuffle(image, rng),
    )
    return np.concatenate([augmentations[int(rng.integers(len(augmentations)))](pixels[i : i + 1]) for i in range(len(pixels))])


class TrainingSet(NamedTuple):
    """Images (n, h, w, 3) and n labels per family; None: the family has no label for that image."""

    pixels: Pixels
    labels: dict[str, list[str | None]]


def training_set(
    pixels: Pixels,
    labels: Mapping[str, Sequence[str | None]],
    seed: int,
    softened: Pixels | None = None,
    damaged: Pixels | None = None,
    unreadable_share: float = 0.1,
) -> TrainingSet:
    """Images as they are, lightly disturbed, softened, and a share that is unreadable.

    Args:
        pixels: (n, h, w, 3) clean images.
        labels: family to n labels; None where the family has none for an image.
        seed: of every draw.
        softened: (m, h, w, 3), m ≤ n: the first m images after a VAE round trip or as x̂0; they keep their labels.
        damaged: (d, h, w, 3) images of destroyed models: unreadable.
        unreadable: images of each unreadable kind (disturbed, constant, noise), as a share of n.
    """
    rng = np.random.default_rng(seed)
    size, count = pixels.shape[1], max(1, round(unreadable_share * len(pixels)))
    readable = [pixels, lightly_disturbed(pixels, rng), *([] if softened is None else [softened, lightly_disturbed(softened, rng)])]
    chosen = pixels[rng.permutation(len(pixels))[:count]]
    # Few constant images suffice: they are easy, and most of the class should be hard.
    unreadable = [made_unreadable(chosen, rng), constant(max(1, count // 4), size, rng), pure_noise(count // 2, size, rng)]
    unreadable += [] if damaged is None else [damaged]
    unreadable_labels: list[str | None] = [UNREADABLE] * sum(map(len, unreadable))
    all_labels = {
        family: [name for block in readable for name in names[: len(block)]] + unreadable_labels for family, names in labels.items()
    }
    return TrainingSet(np.concatenate([*readable, *unreadable]), all_labels)


def _bytes(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
