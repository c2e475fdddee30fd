from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from unconceal.miniature.drawing import BACKGROUNDS, COLOURS, SIZE, STYLES, draw
from unconceal.miniature.scene import BACKGROUND_NAMES, CHARACTER_NAMES, COLOUR_NAMES, SHAPE_NAMES, STYLE_NAMES, Scene
from unconceal.miniature.shapes import SHAPES

STAR = Scene("white", 31.3, 33.1, 21.7, shape="star", style="flat", colour="red")


def mean_difference(first: Scene, second: Scene) -> float:
    """Mean difference of two images, of 255."""
    return float(np.abs(draw(first).astype(float) - draw(second)).mean())


def inked(scene: Scene) -> NDArray[np.bool_]:
    """Where the image differs from its background."""
    mask: NDArray[np.bool_] = np.abs(draw(scene).astype(int) - np.asarray(BACKGROUNDS[scene.background])).max(axis=2) > 3
    return mask


def test_the_worlds_names_are_drawn() -> None:
    assert (tuple(STYLES), tuple(COLOURS), tuple(BACKGROUNDS)) == (STYLE_NAMES, COLOUR_NAMES, BACKGROUND_NAMES)


def test_drawing_is_deterministic() -> None:
    image = draw(STAR)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8 and np.array_equal(image, draw(replace(STAR)))


@pytest.mark.parametrize("name", ["star", "ring", "heart", "circle"])
def test_edges_are_those_of_a_supersampled_picture(name: str) -> None:
    """The share of 8 × 8 points of each pixel that lie inside the shape."""
    scene, fine = replace(STAR, shape=name), 8
    line = (np.arange(SIZE * fine, dtype=np.float32) + 0.5) / fine
    x, y = (((line - middle) / scene.radius).astype(np.float32) for middle in (scene.x, scene.y))
    inside = SHAPES[name](x[None, :], y[:, None]) < 0
    share = inside.reshape(SIZE, fine, SIZE, fine).mean(axis=(1, 3))[..., None]
    expected = share * np.asarray(COLOURS["red"]) + (1 - share) * np.asarray(BACKGROUNDS["white"])
    assert np.abs(draw(scene) - expected).mean() < 0.6
    partly = (share > 0.2) & (share < 0.8)
    assert partly.sum() > 40 and np.abs(draw(scene) - expected)[partly[..., 0]].mean() < 16


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_shapes_stay_in_the_picture(shape: str) -> None:
    """At the largest radius and every corner that the world draws from, no shape is cut off by the frame."""
    along, frame = np.linspace(0, SIZE, 257, dtype=np.float32), np.float32(SIZE)
    for x, y in ((26, 26), (38, 26), (26, 38), (38, 38)):
        for px, py in ((along, 0 * along), (along, 0 * along + frame), (0 * along, along), (0 * along + frame, along)):
            assert SHAPES[shape](((px - x) / 24).astype(np.float32), ((py - y) / 24).astype(np.float32)).min() > 0
    assert inked(Scene("white", 32, 32, 24, shape=shape, style="flat", colour="blue")).mean() > 0.06


@pytest.mark.parametrize("background", BACKGROUND_NAMES)
def test_every_colour_contrasts_with_its_background(background: str) -> None:
    for colour in COLOUR_NAMES:
        assert inked(replace(STAR, background=background, colour=colour)).mean() > 0.1


def test_styles_differ() -> None:
    for shape in ("circle", "star"):
        images = {style: draw(replace(STAR, shape=shape, style=style)).astype(float) for style in STYLE_NAMES}
        mean_difference = {pair: np.abs(images[pair[0]] - images[pair[1]]).mean() for pair in combinations(STYLE_NAMES, 2)}
        assert min(mean_difference.values()) > 2, min(mean_difference, key=lambda pair: mean_difference[pair])


def test_shapes_colours_and_backgrounds_differ() -> None:
    for name, values in {"shape": SHAPE_NAMES, "colour": COLOUR_NAMES, "background": BACKGROUND_NAMES}.items():
        scenes = [replace(STAR, **{name: value}) for value in values]  # type: ignore[arg-type]
        assert min(mean_difference(first, second) for first, second in combinations(scenes, 2)) > 2


def test_a_scene_moves_with_its_place() -> None:
    assert np.array_equal(draw(replace(STAR, x=35.3))[:, 4:], draw(STAR)[:, :-4])


def test_characters_and_the_sign_are_drawn_and_differ() -> None:
    base = Scene("gray", 32, 32, 22)
    scenes = [*(replace(base, character=name) for name in CHARACTER_NAMES), replace(base, sign=True)]
    assert all(inked(scene).mean() > 0.2 and not inked(scene)[0].any() for scene in scenes)
    assert min(mean_difference(first, second) for first, second in combinations(scenes, 2)) > 8
