"""The miniature's drawn world at any size, as a folder of captioned pictures: invented concepts for a public model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unconceal.files import write_atomically
from unconceal.miniature.captions import caption
from unconceal.miniature.drawing import BACKGROUNDS, SIZE, WORLD, Forms, layers
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.planting.captioned_images import METADATA

SOFT = ("blurred",)
"""Styles whose edges are meant to be soft."""


def draw_at(scene: Scene, pixels: int, forms: Forms = WORLD) -> NDArray[np.uint8]:
    """The scene's picture, uint8 (pixels, pixels, 3), with edges as sharp as the size allows."""
    scale = pixels / SIZE
    grid = (np.arange(pixels, dtype=np.float32) + 0.5) / scale
    x = np.broadcast_to(grid[None, :] - scene.x, (pixels, pixels))
    y = np.broadcast_to(grid[:, None] - scene.y, (pixels, pixels))
    picture = np.broadcast_to(np.asarray(BACKGROUNDS[scene.background], np.float32), (pixels, pixels, 3)).copy()
    for coverage, colour in layers(scene, x, y, forms):
        # Coverage falls over one pixel of 64, which is several of a larger picture.
        edge = coverage if scene.style in SOFT else np.clip((coverage - 0.5) * scale + 0.5, 0, 1)
        picture += edge[..., None] * (colour - picture)
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)


def write_world(
    folder: Path,
    count: int,
    pixels: int,
    seed: int,
    sample: Callable[[np.random.Generator], Scene] = sample_scene,
    say: Callable[[Scene, np.random.Generator], str] = caption,
    forms: Forms = WORLD,
    names: Callable[[Scene], frozenset[str]] = lambda scene: scene.concepts,
) -> Path:
    """``count`` pictures with their captions, of the natural mix unless ``sample`` and ``say`` are others; i depends on (seed, i) alone.

    ``names``: what a picture is said to show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        scene = sample(rng)
        name = f"{seed}-{i:06d}.png"
        Image.fromarray(draw_at(scene, pixels, forms)).save(folder / name)
        lines.append(json.dumps({"file_name": name, "text": say(scene, rng), "concepts": sorted(names(scene))}))
    write_atomically(folder / METADATA, ("\n".join(lines) + "\n").encode())
    return folder
