from __future__ import annotations

import pytest

from unconceal.miniature.scene import (
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    SHAPE_NAMES,
    SIGN,
    STYLE_NAMES,
    UNAMBIGUOUS_SHAPES,
    UNAMBIGUOUS_STYLES,
)
from unconceal_lab.build.model_gates import N_PER_SHAPE, N_PER_STYLE, QualityGate, scenes_of


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (QualityGate("draws", 0.95, 40, minimum=0.95), True),
        (QualityGate("draws", 0.949, 40, minimum=0.95), False),
        (QualityGate("chance", 0.10, 40, maximum=0.10), True),
        (QualityGate("chance", 0.125, 40, maximum=0.10), False),
    ],
)
def test_a_gate_holds_up_to_its_bound(gate: QualityGate, passed: bool) -> None:
    assert gate.passed == passed and gate.row()[-1] == ("pass" if passed else "FAIL")


def test_a_row_shows_share_interval_count_and_bound() -> None:
    """Wilson's 95 % interval of 38 in 40."""
    assert QualityGate("base draws star", 0.95, 40, minimum=0.95).row() == ["base draws star", "0.950 [0.83, 0.99]", "40", "≥ 0.95", "pass"]
    assert QualityGate("gold draws star", 0.0, 40, maximum=0.1).row()[1:4] == ["0.000 [0.00, 0.09]", "40", "≤ 0.10"]


def test_a_share_without_a_bound_is_shown_and_never_fails() -> None:
    gate = QualityGate("base draws checkered", 0.5, 40)
    assert gate.passed and gate.row()[3:] == ["none", "not asked for"]


@pytest.mark.parametrize("concept", [*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN])
def test_scenes_show_the_concept_and_go_through_the_world(concept: str) -> None:
    scenes = scenes_of(concept, N_PER_STYLE)
    assert len(scenes) == N_PER_STYLE and all(concept in scene.concepts for scene in scenes)
    assert {scene.background for scene in scenes} == set(BACKGROUND_NAMES)
    if concept in SHAPE_NAMES:
        assert {scene.style for scene in scenes_of(concept, N_PER_SHAPE)} == set(UNAMBIGUOUS_STYLES)
    if concept in STYLE_NAMES:
        assert {scene.shape for scene in scenes} == set(UNAMBIGUOUS_SHAPES) and {scene.colour for scene in scenes} == set(COLOUR_NAMES)
