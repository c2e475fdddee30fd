"""Rendered pictures of the world, kept as one array so that every training step only looks them up."""

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
class Pictures:
    """``pixels`` uint8 (n, 64, 64, 3) and the scene behind each."""

    pixels: NDArray[np.uint8]
    scenes: tuple[Scene, ...]

    def __len__(self) -> int:
        return len(self.scenes)

    def without(self, concepts: Collection[str]) -> NDArray[np.int64]:
        """Indices of the pictures that show none of ``concepts``."""
        return self.thinned(dict.fromkeys(concepts, 0.0))

    def thinned(self, shares: Mapping[str, float]) -> NDArray[np.int64]:
        """Indices of all pictures but those that show a concept beyond the first ``shares[concept]`` (0 to 1) of that concept's.

        A share above 0 keeps at least one picture.
        """
        dropped: set[int] = set()
        for concept, share in shares.items():
            showing = self.showing(concept)
            dropped.update(showing[max(round(share * len(showing)), share > 0) :].tolist())
        return np.asarray([i for i in range(len(self)) if i not in dropped], np.int64)

    def showing(self, concept: str) -> NDArray[np.int64]:
        return np.asarray([i for i, scene in enumerate(self.scenes) if concept in scene.concepts], np.int64)


def render(count: int, seed: int) -> Pictures:
    """``count`` scenes of the natural mix; picture i depends on (seed, i) alone."""
    scenes = tuple(sample_scene(np.random.default_rng([seed, i])) for i in range(count))
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i, scene in enumerate(scenes):
        pixels[i] = draw(scene)
    return Pictures(pixels, scenes)


def cached(folder: Path, count: int, seed: int) -> Pictures:
    """:func:`render`, kept under ``folder`` and read back as a memory map."""
    stem = folder / f"pictures-{seed}-{count}"
    if not stem.with_suffix(".json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = render(count, seed)
        np.save(stem.with_suffix(".npy"), made.pixels)
        write_atomically(stem.with_suffix(".json"), json.dumps([asdict(scene) for scene in made.scenes]).encode())
    scenes = tuple(Scene(**fields) for fields in json.loads(stem.with_suffix(".json").read_text()))
    return Pictures(np.load(stem.with_suffix(".npy"), mmap_mode="r"), scenes)
