from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unconceal.miniature.scene import SHAPE_NAMES
from unconceal.miniature.shapes import SHAPES, Array, box, disc, heart_outline, intersection, polygon, regular, union, without

LIMIT = 1.1


def grid(count: int = 96, limit: float = 1.3) -> tuple[Array, Array]:
    line = np.linspace(-limit, limit, count, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


MASKS = {name: distance(*grid()) < 0 for name, distance in SHAPES.items()}


def test_every_shape_of_the_world_is_there() -> None:
    assert tuple(SHAPES) == SHAPE_NAMES


@pytest.mark.parametrize("name", SHAPE_NAMES)
def test_it_fits_its_frame_and_fills_some_of_it(name: str) -> None:
    x, y = grid()
    outside = np.maximum(np.abs(x), np.abs(y)) > LIMIT
    assert not (MASKS[name] & outside).any() and 0.1 < MASKS[name][~outside].mean() < 0.75
    assert max(np.abs(x[MASKS[name]]).max(), np.abs(y[MASKS[name]]).max()) > 0.6


def test_no_two_shapes_are_alike() -> None:
    overlap = {pair: (MASKS[pair[0]] & MASKS[pair[1]]).sum() / (MASKS[pair[0]] | MASKS[pair[1]]).sum() for pair in combinations(MASKS, 2)}
    assert max(overlap.values()) < 0.9, max(overlap, key=lambda pair: overlap[pair])


@pytest.mark.parametrize("points", [regular(5), regular(5, 1.08, 0.44), heart_outline(), [(0.15, -0.9), (1.05, 0), (0.15, 0.9)]])
def test_polygons_are_those_that_pillow_draws(points: list[tuple[float, float]]) -> None:
    size, limit = 200, 1.3
    image = Image.new("1", (size, size))
    ImageDraw.Draw(image).polygon([((px + limit) / 2 / limit * size, (py + limit) / 2 / limit * size) for px, py in points], fill=1)
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1) * np.float32(limit)
    x, y = (axis.astype(np.float32) for axis in np.meshgrid(line, line))
    assert ((polygon(points)(x, y) < 0) != np.asarray(image)).mean() < 0.015


def test_distances_are_distances() -> None:
    """Against the nearest point of a finely sampled outline."""
    points = np.asarray(regular(5, 1.08, 0.44))
    share = np.linspace(0, 1, 200)[:, None, None]
    outline = (points + share * (np.roll(points, -1, axis=0) - points)).reshape(-1, 2)
    x, y = grid(21)
    nearest = np.hypot(x[..., None] - outline[:, 0], y[..., None] - outline[:, 1]).min(axis=-1)
    assert np.allclose(np.abs(polygon(regular(5, 1.08, 0.44))(x, y)), nearest, atol=2e-3)


def test_simple_distances_by_hand() -> None:
    x, y = np.array([0, 2, 0.5], np.float32), np.array([0, 0, 0], np.float32)
    assert np.allclose(disc(1)(x, y), [-1, 1, -0.5]) and np.allclose(disc(1, 2, 0)(x, y), [1, -1, 0.5])
    assert np.allclose(box(1, 2)(x, y), [-1, 1, -0.5])
    assert np.allclose(box(1, 1)(np.array([4], np.float32), np.array([5], np.float32)), 5)


def test_shapes_combine() -> None:
    x, y = grid()
    first, second = disc(0.6, -0.3), disc(0.6, 0.3)
    a, b = first(x, y) < 0, second(x, y) < 0
    assert np.array_equal(union(first, second)(x, y) < 0, a | b) and np.array_equal(intersection(first, second)(x, y) < 0, a & b)
    assert np.array_equal(without(first, second)(x, y) < 0, a & (second(x, y) > 0))
