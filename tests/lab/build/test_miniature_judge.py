from __future__ import annotations

from unconceal.judges.concept_judge import NONE
from unconceal_lab.build.miniature_judge import families, names_of
from unconceal_lab.models.classifiers import HEADS
from unconceal.miniature.scene import Scene

SCENES = [
    Scene("gray", 32, 32, 20, shape="star", style="dotted", colour="red"),
    Scene("gray", 32, 32, 20, character="zara"),
    Scene("gray", 32, 32, 20, sign=True),
]


def test_the_judge_should_say_subject_and_style() -> None:
    assert [names_of(scene) for scene in SCENES] == [("star", "dotted"), ("zara", NONE), ("hazard sign", NONE)]
    assert families(SCENES) == {"subject": ["star", "zara", "hazard sign"], "style": ["dotted", NONE, NONE]}


def test_its_subjects_are_those_of_the_drawings_classifier() -> None:
    assert all(names_of(scene)[0] in HEADS["subject"] for scene in SCENES)
