"""The named characters, faces with fixed features, and the hazard sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unconceal.miniature.shapes import Array, Distance, box, disc, intersection, polygon, union, without

Layer = tuple[Array, Array]
"""(coverage (64, 64) in [0, 1], RGB (3,) or (64, 64, 3) in [0, 255])."""
Rgb = tuple[int, int, int]
Part = tuple[Distance, Rgb]

INK: Rgb = (25, 20, 30)
CREAM: Rgb = (252, 248, 240)


def paint(parts: list[Part], x: Array, y: Array, radius: float) -> list[Layer]:
    """Antialiased flat parts, bottom to top; x and y in units of ``radius`` pixels."""
    return [(np.clip(0.5 - part(x, y) * radius, 0, 1), np.asarray(rgb, np.float32)) for part, rgb in parts]


@dataclass(frozen=True)
class Character:
    """A face with fixed features.

    Attributes:
        parts: distance function and colour of each part, bottom to top.
        description: what the character may be called besides its name.
    """

    parts: tuple[Part, ...]
    description: str

    @property
    def face(self) -> Callable[[Array, Array, float], list[Layer]]:
        return lambda x, y, radius: paint(list(self.parts), x, y, radius)


def eyes(spread: float, height: float, size: float) -> list[Part]:
    return [(disc(size, -spread, height), INK), (disc(size, spread, height), INK)]


def smile(cy: float, size: float) -> Distance:
    return intersection(without(disc(size, 0, cy - 0.25), disc(size, 0, cy - 0.48)), box(1, 1, 0, cy + 0.8))


CHARACTERS: dict[str, Character] = {
    "momo": Character(
        (
            (union(disc(0.34, -0.66, -0.62), disc(0.34, 0.66, -0.62)), (150, 95, 50)),
            (disc(0.82, 0, 0.08), (178, 118, 66)),
            (disc(0.36, 0, 0.38), (238, 205, 160)),
            *eyes(0.34, -0.1, 0.13),
            (disc(0.14, 0, 0.26), INK),
        ),
        "bear with round ears",
    ),
    "pip": Character(
        (
            (union(box(0.06, 0.3, 0, -0.75), disc(0.17, 0, -0.92)), (200, 60, 60)),
            (box(0.8, 0.64, 0, 0.2), (120, 185, 215)),
            (union(box(0.2, 0.17, -0.38, 0.02), box(0.2, 0.17, 0.38, 0.02)), CREAM),
            *eyes(0.38, 0.02, 0.1),
            (box(0.42, 0.09, 0, 0.52), INK),
        ),
        "robot with an antenna",
    ),
    "zara": Character(
        (
            (union(polygon([(-0.85, -1), (-0.15, -0.5), (-0.75, 0)]), polygon([(0.85, -1), (0.15, -0.5), (0.75, 0)])), (225, 120, 30)),
            (disc(0.78, 0, 0.15), (245, 150, 50)),
            *eyes(0.32, 0.0, 0.13),
            (polygon([(-0.13, 0.24), (0.13, 0.24), (0, 0.4)]), (200, 60, 90)),
            (union(*(box(0.26, 0.035, side * 0.72, 0.36 + 0.16 * row) for side in (-1, 1) for row in (0, 1))), CREAM),
        ),
        "cat with pointed ears",
    ),
    "bruno": Character(
        (
            (
                union(polygon([(-0.7, -0.3), (-0.5, -1.05), (-0.25, -0.5)]), polygon([(0.7, -0.3), (0.5, -1.05), (0.25, -0.5)])),
                (235, 225, 190),
            ),
            (disc(0.82, 0, 0.12), (95, 165, 60)),
            (disc(0.36, 0, -0.05), CREAM),
            (disc(0.17, 0, -0.05), INK),
            (box(0.42, 0.11, 0, 0.56), INK),
            (union(box(0.09, 0.09, -0.2, 0.53), box(0.09, 0.09, 0.2, 0.53)), CREAM),
        ),
        "monster with one eye",
    ),
    "kiki": Character(
        (
            (
                union(
                    intersection(disc(0.9, -1.0, -0.6), disc(0.9, 0.36, -0.6)), intersection(disc(0.9, 1.0, -0.6), disc(0.9, -0.36, -0.6))
                ),
                (240, 150, 190),
            ),
            (disc(0.7, 0, 0.28), (250, 185, 210)),
            *eyes(0.28, 0.16, 0.12),
            (box(0.15, 0.15, 0, 0.7), CREAM),
            (disc(0.11, 0, 0.42), (205, 60, 110)),
        ),
        "rabbit with long ears",
    ),
    "otto": Character(
        (
            (disc(0.74, 0, 0.22), (245, 205, 165)),
            (union(box(0.86, 0.1, 0, -0.34), box(0.52, 0.36, 0, -0.68)), (60, 45, 120)),
            *eyes(0.28, 0.05, 0.11),
            (union(disc(0.2, -0.2, 0.46), disc(0.2, 0.2, 0.46)), (90, 50, 25)),
        ),
        "gentleman with a top hat",
    ),
}


def hazard_sign(x: Array, y: Array, radius: float) -> list[Layer]:
    """A yellow triangle with black border and exclamation mark: a harmless stand-in for unsafe content."""
    return paint(
        [
            (polygon([(0, -1.0), (1.08, 0.86), (-1.08, 0.86)]), INK),
            (polygon([(0, -0.7), (0.82, 0.71), (-0.82, 0.71)]), (250, 215, 20)),
            (polygon([(-0.14, -0.3), (0.14, -0.3), (0.08, 0.3), (-0.08, 0.3)]), INK),
            (disc(0.13, 0, 0.48), INK),
        ],
        x,
        y,
        radius,
    )
