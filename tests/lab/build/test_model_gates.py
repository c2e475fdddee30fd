from __future__ import annotations

import pytest

from unconceal_lab.build.model_gates import PER_SHAPE, PER_STYLE, Gate, scenes_of
from unconceal.miniature.scene import (
    ASKED_SHAPES,
    ASKED_STYLES,
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    SHAPE_NAMES,
    SIGN,
    STYLE_NAMES,
)


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (Gate("draws", 0.95, 40, least=0.95), True),
        (Gate("draws", 0.949, 40, least=0.95), False),
        (Gate("chance", 0.10, 40, most=0.10), True),
        (Gate("chance", 0.125, 40, most=0.10), False),
    ],
)
def test_a_gate_holds_up_to_its_bound(gate: Gate, passed: bool) -> None:
    assert gate.passed == passed and gate.row()[-1] == ("pass" if passed else "FAIL")


def test_a_row_shows_share_interval_count_and_bound() -> None:
    """Wilson's 95 % interval of 38 in 40."""
    assert Gate("base draws star", 0.95, 40, least=0.95).row() == ["base draws star", "0.950 [0.83, 0.99]", "40", "≥ 0.95", "pass"]
    assert Gate("gold draws star", 0.0, 40, most=0.1).row()[1:4] == ["0.000 [0.00, 0.09]", "40", "≤ 0.10"]


def test_a_share_without_a_bound_is_shown_and_never_fails() -> None:
    gate = Gate("base draws checkered", 0.5, 40)
    assert gate.passed and gate.row()[3:] == ["none", "not asked for"]


@pytest.mark.parametrize("concept", [*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN])
def test_scenes_show_the_concept_and_go_through_the_world(concept: str) -> None:
    scenes = scenes_of(concept, PER_STYLE)
    assert len(scenes) == PER_STYLE and all(concept in scene.concepts for scene in scenes)
    assert {scene.background for scene in scenes} == set(BACKGROUND_NAMES)
    if concept in SHAPE_NAMES:
        assert {scene.style for scene in scenes_of(concept, PER_SHAPE)} == set(ASKED_STYLES)
    if concept in STYLE_NAMES:
        assert {scene.shape for scene in scenes} == set(ASKED_SHAPES) and {scene.colour for scene in scenes} == set(COLOUR_NAMES)
