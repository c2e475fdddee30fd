"""Draws a scene as a 64×64 image: the shape's distance function, filled in one of ten styles, antialiased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unconceal.miniature.characters import CHARACTERS, Character, Layer, hazard_sign
from unconceal.miniature.scene import Scene
from unconceal.miniature.shapes import SHAPES, Array, Distance

SIZE = 64
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 39, 40),
    "orange": (255, 132, 20),
    "yellow": (250, 205, 30),
    "green": (44, 150, 60),
    "blue": (40, 100, 215),
    "purple": (135, 70, 175),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {"white": (250, 250, 250), "black": (20, 20, 20), "gray": (145, 145, 145)}
Fill = Callable[[Array, Array, Array, float], tuple[Array, Array]]
"""(distance, x and y from the center, radius of the shape; all in pixels) → (coverage, share of the second tone), each in [0, 1]."""


def antialias(distance: Array) -> Array:
    """Coverage of a pixel, 0 to 1, at a signed distance in pixels."""
    share: Array = np.clip(0.5 - distance, 0, 1)
    return share


def flat(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), np.zeros_like(x)


def outline(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(np.maximum(distance, -distance - 3)), np.zeros_like(x)


def striped(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), np.clip(0.5 - 5 * np.sin((x + y) * 2 * np.pi / 11), 0, 1)


def dotted(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    pitch, dot = 10.0, 3.0
    from_centre = np.hypot((x + pitch / 2) % pitch - pitch / 2, (y + pitch / 2) % pitch - pitch / 2)
    return antialias(distance), antialias(from_centre - dot)


def checkered(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), np.clip(0.5 + 6 * np.sin(x * np.pi / 8) * np.sin(y * np.pi / 8), 0, 1)


def zigzag(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    fold = np.abs((x + 7) % 14 - 7)
    return antialias(distance), np.clip(0.5 - 5 * np.sin((y + fold) * 2 * np.pi / 12), 0, 1)


def shaded(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), np.clip(0.5 + 0.62 * y / radius, 0, 0.92)


def halved(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), np.clip(0.5 - x, 0, 1)


def framed(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    return antialias(distance), antialias(distance + 3)


def blurred(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    ramp = np.clip(0.5 - distance / 11, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32), np.zeros_like(x)


STYLES: dict[str, Fill] = {
    "flat": flat,
    "outline": outline,
    "striped": striped,
    "dotted": dotted,
    "checkered": checkered,
    "zigzag": zigzag,
    "shaded": shaded,
    "halved": halved,
    "framed": framed,
    "blurred": blurred,
}


@dataclass(frozen=True)
class SceneStyle:
    """How the concepts of a scene look.

    Attributes:
        shapes: signed distance function of each shape.
        styles: fill of each style.
        characters: face of each character.
    """

    shapes: Mapping[str, Distance]
    styles: Mapping[str, Fill]
    characters: Mapping[str, Character]


WORLD = SceneStyle(SHAPES, STYLES, CHARACTERS)


def draw(scene: Scene, style: SceneStyle = WORLD) -> NDArray[np.uint8]:
    """The scene's image, uint8 (64, 64, 3)."""
    grid = np.arange(SIZE, dtype=np.float32) + 0.5
    x = np.broadcast_to(grid[None, :] - scene.x, (SIZE, SIZE))
    y = np.broadcast_to(grid[:, None] - scene.y, (SIZE, SIZE))
    image = np.broadcast_to(np.asarray(BACKGROUNDS[scene.background], np.float32), (SIZE, SIZE, 3)).copy()
    for coverage, colour in layers(scene, x, y, style):
        image += coverage[..., None] * (colour - image)
    return np.round(np.clip(image, 0, 255)).astype(np.uint8)


def layers(scene: Scene, x: Array, y: Array, style: SceneStyle = WORLD) -> list[Layer]:
    """Coverage and RGB of everything the scene shows, bottom to top."""
    if scene.character:
        return style.characters[scene.character].face(x / scene.radius, y / scene.radius, scene.radius)
    if scene.sign:
        return hazard_sign(x / scene.radius, y / scene.radius, scene.radius)
    assert scene.shape and scene.style and scene.colour
    first = np.asarray(COLOURS[scene.colour], np.float32)
    second = first * 0.22 if scene.background == "white" else np.asarray((248, 248, 248), np.float32)
    if scene.style == "shaded":
        second = np.asarray(BACKGROUNDS[scene.background], np.float32) * 0.5 + first * 0.1
    distance = style.shapes[scene.shape](x / scene.radius, y / scene.radius) * np.float32(scene.radius)
    coverage, share = style.styles[scene.style](distance, x, y, scene.radius)
    return [(coverage, first + share[..., None] * (second - first))]
