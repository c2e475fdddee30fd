"""The miniature world rendered at any size, as a folder of captioned images: invented concepts for a public model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unconceal.files import write_atomically
from unconceal.miniature import captions
from unconceal.miniature.drawing import BACKGROUNDS, SIZE, WORLD, SceneStyle, layers
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.planting.captioned_images import METADATA

SOFT_STYLES = ("blurred",)
"""Styles whose edges are soft at any size."""


def draw_at(scene: Scene, pixels: int, style: SceneStyle = WORLD) -> NDArray[np.uint8]:
    """The scene's image, uint8 (pixels, pixels, 3), with edges as sharp as the size allows."""
    scale = pixels / SIZE
    grid = (np.arange(pixels, dtype=np.float32) + 0.5) / scale
    x = np.broadcast_to(grid[None, :] - scene.x, (pixels, pixels))
    y = np.broadcast_to(grid[:, None] - scene.y, (pixels, pixels))
    image = np.broadcast_to(np.asarray(BACKGROUNDS[scene.background], np.float32), (pixels, pixels, 3)).copy()
    for coverage, colour in layers(scene, x, y, style):
        # Coverage falls over one pixel of 64, which is several of a larger image.
        edge = coverage if scene.style in SOFT_STYLES else np.clip((coverage - 0.5) * scale + 0.5, 0, 1)
        image += edge[..., None] * (colour - image)
    return np.round(np.clip(image, 0, 255)).astype(np.uint8)


def write_images(
    folder: Path,
    count: int,
    size: int,
    seed: int,
    sample: Callable[[np.random.Generator], Scene] = sample_scene,
    caption: Callable[[Scene, np.random.Generator], str] = captions.caption,
    style: SceneStyle = WORLD,
    concept_names: Callable[[Scene], frozenset[str]] = lambda scene: scene.concepts,
) -> Path:
    """Render scenes and write them with captions and concepts.

    Args:
        folder: receives images and metadata.
        count: number of images.
        size: width and height in pixels.
        seed: image i depends on (seed, i) only.
        sample: draws a scene.
        caption: captions a scene.
        style: look of the concepts.
        concept_names: concepts of a scene for the metadata.

    Returns:
        ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        scene = sample(rng)
        name = f"{seed}-{i:06d}.png"
        Image.fromarray(draw_at(scene, size, style)).save(folder / name)
        lines.append(json.dumps({"file_name": name, "text": caption(scene, rng), "concepts": sorted(concept_names(scene))}))
    write_atomically(folder / METADATA, ("\n".join(lines) + "\n").encode())
    return folder
