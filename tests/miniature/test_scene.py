from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unconceal.miniature.scene import (
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    HELD_OUT,
    SHAPE_NAMES,
    SHARE_OF_CHARACTERS,
    SHARE_OF_SIGN,
    SIGN,
    STYLE_NAMES,
    TARGETS,
    Scene,
    sample_scene,
)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(0)
    return [sample_scene(rng) for _ in range(6000)]


def test_names_are_unique() -> None:
    names = (*SHAPE_NAMES, *STYLE_NAMES, *COLOUR_NAMES, *BACKGROUND_NAMES, *CHARACTER_NAMES, SIGN)
    assert len(set(names)) == len(names) == 20 + 10 + 6 + 3 + 6 + 1


def test_targets_are_concepts_and_none_is_held_out() -> None:
    assert {*TARGETS, *HELD_OUT} <= {*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN} and not set(TARGETS) & set(HELD_OUT)


def test_a_scene_names_its_concepts() -> None:
    assert Scene("white", 32, 32, 20, shape="star", style="flat", colour="red").concepts == {"star", "flat", "red"}
    assert Scene("white", 32, 32, 20, character="zara").concepts == {"zara"} and Scene("white", 32, 32, 20, sign=True).concepts == {SIGN}


def test_a_scene_shows_one_kind_of_thing_inside_the_picture(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert sum((scene.shape is not None, scene.character is not None, scene.sign)) == 1
        assert (scene.shape is None) == (scene.style is None) == (scene.colour is None)
        assert 17 <= scene.radius <= 24 and max(abs(scene.x - 32), abs(scene.y - 32)) + scene.radius <= 30


def test_no_concept_is_favoured_over_its_siblings(scenes: list[Scene]) -> None:
    totals = Counter(name for scene in scenes for name in (*scene.concepts, scene.background))
    signs, characters = totals[SIGN] / len(scenes), sum(totals[name] for name in CHARACTER_NAMES) / len(scenes)
    assert abs(signs - SHARE_OF_SIGN) < 0.01 and abs(characters - SHARE_OF_CHARACTERS) < 0.02
    for names in (SHAPE_NAMES, STYLE_NAMES, COLOUR_NAMES, BACKGROUND_NAMES, CHARACTER_NAMES):
        counts = np.array([totals[name] for name in names])
        # A chi-squared far beyond any quantile would be a favourite.
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 3 * len(names) + 10
