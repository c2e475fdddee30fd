"""Disturbances for the concept judge's training: what generated pictures suffer, and what nobody can read any more.

Light disturbances keep a picture's labels; heavy ones make it "unreadable"; nothing in between is shown, since its label is a matter
of taste. All work on square uint8 pictures (n, h, w, 3) and take a NumPy generator; blur and grain grow with the picture, which is 64
pixels wide where they are quoted.
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
    """How much larger pictures are than those whose blur is quoted."""
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
    """Tiles of ``tile`` pixels, an eighth of the side unless said otherwise, in random places: right colours, no shape."""
    n, h, w, c = pixels.shape
    tile = tile or h // 8
    tiles = pixels.reshape(n, h // tile, tile, w // tile, tile, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, tile, tile, c)
    mixed = np.stack([block[rng.permutation(len(block))] for block in tiles])
    return np.ascontiguousarray(mixed.reshape(n, h // tile, w // tile, tile, tile, c).transpose(0, 1, 3, 2, 4, 5).reshape(pixels.shape))


def constant(n: int, size: int, rng: np.random.Generator) -> Pixels:
    """Pictures of one colour each."""
    return np.repeat(np.repeat(rng.integers(256, size=(n, 1, 1, 3), dtype=np.uint8), size, axis=1), size, axis=2)


def pure_noise(n: int, size: int, rng: np.random.Generator) -> Pixels:
    """Pictures of noise alone, from per-pixel to blotches."""
    grains = [rng.normal(0, 1, (size, size, 3)) for _ in range(n)]
    spans = rng.uniform(0, 4, n) * (size / REFERENCE_SIDE)
    smoothed = [gaussian_filter(grain, (s, s, 0)) for grain, s in zip(grains, spans, strict=True)]
    spread = [grain / max(float(grain.std()), 1e-6) * rng.uniform(20, 80) + rng.uniform(60, 195) for grain in smoothed]
    return _bytes(np.asarray(spread).reshape(n, size, size, 3))


def lightly_disturbed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Each picture disturbed a little, at random; still plain to see, and never so blurred that it looks like the style "blurred"."""
    disturbed = pixels.copy()
    for i in range(len(pixels)):
        one = disturbed[i : i + 1]
        one = blur(one, rng.uniform(0.2, 0.7) * blur_scale(pixels)) if rng.random() < 0.3 else one
        one = fade(one, rng.uniform(0.6, 1)) if rng.random() < 0.3 else one
        disturbed[i : i + 1] = noise(one, rng.uniform(2, 22), rng) if rng.random() < 0.5 else one
    return disturbed


def made_unreadable(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Each picture made unreadable: blurred away, faded to almost nothing, drowned in noise, or its tiles shuffled."""
    ways = (
        lambda one: blur(one, rng.uniform(10, 16) * blur_scale(pixels)),
        lambda one: noise(fade(one, rng.uniform(0, 0.03)), rng.uniform(4, 30), rng),
        lambda one: noise(fade(one, rng.uniform(0, 0.08)), rng.uniform(60, 120), rng),
        lambda one: shuffle(one, rng),
    )
    return np.concatenate([ways[int(rng.integers(len(ways)))](pixels[i : i + 1]) for i in range(len(pixels))])


class TrainingSet(NamedTuple):
    """Pictures (n, h, w, 3) and n names per family."""

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
    """Pictures as they are, lightly disturbed, softened, and a share that is unreadable.

    Args:
        pixels: (n, h, w, 3) clean pictures; ``labels``: family to n names, None where it is not asked about a picture.
        seed: of every draw.
        softened: (m, h, w, 3), m ≤ n: the first m pictures after a VAE round trip or as x̂0; they keep their labels.
        damaged: (d, h, w, 3) pictures of destroyed models: unreadable.
        unreadable: pictures made unreadable by each of three ways (disturbed, constant, noise), as a share of n.
    """
    rng = np.random.default_rng(seed)
    size, count = pixels.shape[1], max(1, round(unreadable_share * len(pixels)))
    readable = [pixels, lightly_disturbed(pixels, rng), *([] if softened is None else [softened, lightly_disturbed(softened, rng)])]
    chosen = pixels[rng.permutation(len(pixels))[:count]]
    # Few constant pictures suffice: they are easy, and their class should be the hard ones'.
    spoilt = [made_unreadable(chosen, rng), constant(max(1, count // 4), size, rng), pure_noise(count // 2, size, rng)]
    spoilt += [] if damaged is None else [damaged]
    lost: list[str | None] = [UNREADABLE] * sum(map(len, spoilt))
    named = {family: [name for block in readable for name in names[: len(block)]] + lost for family, names in labels.items()}
    return TrainingSet(np.concatenate([*readable, *spoilt]), named)


def _bytes(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
