"""Rendered images of the miniature world as one array, so that a training step only indexes it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unconceal.files import write_atomically
from unconceal.miniature.drawing import SIZE, draw
from unconceal.miniature.scene import Scene, sample_scene


@dataclass(frozen=True)
class SceneImages:
    """Images and their scenes.

    Attributes:
        pixels: uint8 (n, 64, 64, 3).
        scenes: the scene behind each image.
    """

    pixels: NDArray[np.uint8]
    scenes: tuple[Scene, ...]

    def __len__(self) -> int:
        return len(self.scenes)

    def excluding(self, concepts: Collection[str]) -> NDArray[np.int64]:
        """Rows of the images that show none of ``concepts``."""
        return self.subsampled(dict.fromkeys(concepts, 0.0))

    def subsampled(self, shares: Mapping[str, float]) -> NDArray[np.int64]:
        """Rows left after removing images of some concepts.

        Args:
            shares: share of a concept's images that stay, 0 to 1: its first ones, and at least one if the share is above 0.

        Returns:
            Sorted rows, int64.
        """
        dropped: set[int] = set()
        for concept, share in shares.items():
            showing = self.indices_of(concept)
            dropped.update(showing[max(round(share * len(showing)), share > 0) :].tolist())
        return np.asarray([i for i in range(len(self)) if i not in dropped], np.int64)

    def indices_of(self, concept: str) -> NDArray[np.int64]:
        """Rows of the images that show a concept."""
        return np.asarray([i for i, scene in enumerate(self.scenes) if concept in scene.concepts], np.int64)


def render(count: int, seed: int) -> SceneImages:
    """Render ``count`` random scenes; image i depends on (seed, i) only."""
    scenes = tuple(sample_scene(np.random.default_rng([seed, i])) for i in range(count))
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i, scene in enumerate(scenes):
        pixels[i] = draw(scene)
    return SceneImages(pixels, scenes)


def render_cached(folder: Path, count: int, seed: int) -> SceneImages:
    """:func:`render` with a cache under ``folder``; pixels are a memory map."""
    stem = folder / f"pictures-{seed}-{count}"
    if not stem.with_suffix(".json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        images = render(count, seed)
        np.save(stem.with_suffix(".npy"), images.pixels)
        write_atomically(stem.with_suffix(".json"), json.dumps([asdict(scene) for scene in images.scenes]).encode())
    scenes = tuple(Scene(**fields) for fields in json.loads(stem.with_suffix(".json").read_text()))
    return SceneImages(np.load(stem.with_suffix(".npy"), mmap_mode="r"), scenes)
