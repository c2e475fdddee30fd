from __future__ import annotations

import numpy as np
import pytest

from unconceal.miniature.characters import CHARACTERS, CREAM, INK, hazard_sign, paint
from unconceal.miniature.scene import CHARACTER_NAMES
from unconceal.miniature.shapes import Array, disc


def grid(radius: float) -> tuple[Array, Array]:
    line = (np.arange(64, dtype=np.float32) - 31.5) / np.float32(radius)
    x, y = np.meshgrid(line, line)
    return x, y


def test_every_character_of_the_world_has_a_face() -> None:
    assert tuple(CHARACTERS) == CHARACTER_NAMES
    assert not any(name in character.description for character in CHARACTERS.values() for name in CHARACTER_NAMES)


def test_parts_are_painted_bottom_to_top() -> None:
    x, y = grid(20)
    (below, lower), (above, upper) = paint([(disc(0.9), INK), (disc(0.3), CREAM)], x, y, 20)
    assert tuple(lower) == INK and tuple(upper) == CREAM
    assert np.isclose(below.sum(), np.pi * 18**2, rtol=0.01) and np.isclose(above.sum(), np.pi * 6**2, rtol=0.02)


@pytest.mark.parametrize("name", [*CHARACTER_NAMES, "sign"])
def test_they_fit_the_frame(name: str) -> None:
    """Like the shapes, but for a rabbit's long ears."""
    x, y = grid(24)
    layers = hazard_sign(x, y, 24) if name == "sign" else CHARACTERS[name].face(x, y, 24)
    covered = np.maximum.reduce([coverage for coverage, _ in layers])
    assert covered.min() == 0 and covered.max() == 1
    reach = (1.2 if name == "kiki" else 1.1) + 0.5 / 24
    outside = np.maximum(np.abs(x), np.abs(y)) > reach
    assert not covered[outside].any() and all(coverage.max() > 0.5 for coverage, _ in layers)


def test_the_sign_is_a_yellow_triangle_with_a_black_border() -> None:
    x, y = grid(24)
    (border, ink), (inner, yellow), *_ = hazard_sign(x, y, 24)
    assert tuple(ink) == INK and yellow[0] > 200 and yellow[2] < 50
    assert not ((inner > 0.5) & (border < 0.5)).any() and border.sum() > 1.5 * inner.sum()
