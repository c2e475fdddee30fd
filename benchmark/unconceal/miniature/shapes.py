"""The twenty shapes of the miniature world as signed distance functions.

A signed distance function takes coordinates ``x, y`` (arrays in the shape's own frame, the square [-1.1, 1.1]² with y pointing down) and
returns the distance to the outline, negative inside. Fill styles and antialiasing follow from distances alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Distance = Callable[[Array, Array], Array]


def polygon(points: list[tuple[float, float]]) -> Distance:
    """Signed distance to a closed polygon (even-odd rule)."""
    start = np.asarray(points, np.float32)
    edge = np.roll(start, -1, axis=0) - start

    def distance(x: Array, y: Array) -> Array:
        px = x[..., None] - start[:, 0]
        py = y[..., None] - start[:, 1]
        along = (px * edge[:, 0] + py * edge[:, 1]) / (edge**2).sum(axis=1)
        along = np.clip(along, 0, 1)
        squared = (px - along * edge[:, 0]) ** 2 + (py - along * edge[:, 1]) ** 2
        crosses = (py < 0) != (py - edge[:, 1] < 0)
        slope = edge[:, 0] / np.where(edge[:, 1] == 0, 1, edge[:, 1])
        inside = (crosses & (px < py * slope)).sum(axis=-1) % 2 == 1
        nearest: Array = np.sqrt(squared.min(axis=-1))
        return np.where(inside, -nearest, nearest).astype(np.float32)

    return distance


def disc(radius: float, cx: float = 0, cy: float = 0) -> Distance:
    return lambda x, y: np.hypot(x - cx, y - cy) - radius


def box(half_width: float, half_height: float, cx: float = 0, cy: float = 0) -> Distance:
    def distance(x: Array, y: Array) -> Array:
        qx, qy = np.abs(x - cx) - half_width, np.abs(y - cy) - half_height
        outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
        result: Array = outside + np.minimum(np.maximum(qx, qy), 0)
        return result

    return distance


def union(*parts: Distance) -> Distance:
    return lambda x, y: np.minimum.reduce([part(x, y) for part in parts])


def intersection(*parts: Distance) -> Distance:
    return lambda x, y: np.maximum.reduce([part(x, y) for part in parts])


def without(shape: Distance, hole: Distance) -> Distance:
    return lambda x, y: np.maximum(shape(x, y), -hole(x, y))


def regular(corners: int, radius: float = 1, inner: float | None = None) -> list[tuple[float, float]]:
    """Corners of a regular polygon standing on its base, or of a star if ``inner`` is given."""
    radii = [radius] if inner is None else [radius, inner]
    count = corners * len(radii)
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2
    return [(float(radii[i % len(radii)] * np.cos(a)), float(radii[i % len(radii)] * np.sin(a))) for i, a in enumerate(angles)]


def heart_outline(count: int = 40) -> list[tuple[float, float]]:
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x = 16 * np.sin(t) ** 3 / 16.5
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16.5
    return list(zip(x.tolist(), (y - 0.1).tolist(), strict=True))


SHAPES: dict[str, Distance] = {
    "circle": disc(0.92),
    "ring": without(disc(0.98), disc(0.46)),
    "square": box(0.8, 0.8),
    "triangle": polygon([(0, -0.95), (0.98, 0.8), (-0.98, 0.8)]),
    "diamond": polygon([(0, -1), (0.7, 0), (0, 1), (-0.7, 0)]),
    "pentagon": polygon(regular(5)),
    "star": polygon(regular(5, 1.08, 0.44)),
    "cross": union(box(0.98, 0.34), box(0.34, 0.98)),
    "heart": polygon(heart_outline()),
    "crescent": without(disc(0.98), disc(0.82, 0.52, -0.1)),
    "arrow": union(polygon([(0.15, -0.9), (1.05, 0), (0.15, 0.9)]), box(0.62, 0.32, -0.42, 0)),
    "leaf": intersection(disc(1.22, 0.5, 0.5), disc(1.22, -0.5, -0.5)),
    "drop": union(disc(0.64, 0, 0.34), polygon([(0, -1.05), (0.56, 0.06), (-0.56, 0.06)])),
    "house": union(polygon([(0, -1), (1, -0.08), (-1, -0.08)]), box(0.7, 0.5, 0, 0.42)),
    "bolt": polygon([(0.3, -1.05), (-0.7, 0.18), (-0.08, 0.18), (-0.35, 1.05), (0.72, -0.26), (0.06, -0.26)]),
    "hourglass": polygon([(-0.8, -0.95), (0.8, -0.95), (0.14, 0), (0.8, 0.95), (-0.8, 0.95), (-0.14, 0)]),
    "dome": intersection(disc(1.02, 0, 0.45), box(1.1, 0.6, 0, -0.15)),
    "clover": union(
        disc(0.46, 0, -0.5), disc(0.46, -0.5, 0.2), disc(0.46, 0.5, 0.2), polygon([(-0.1, 0), (0.1, 0), (0.26, 1), (-0.26, 1)])
    ),
    "fish": union(intersection(disc(1.0, -0.2, 0.6), disc(1.0, -0.2, -0.6)), polygon([(0.35, 0), (1.05, -0.62), (1.05, 0.62)])),
    "mushroom": union(intersection(disc(0.98, 0, 0.1), box(1.1, 0.55, 0, -0.45)), box(0.3, 0.5, 0, 0.5)),
}
