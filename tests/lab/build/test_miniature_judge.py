from __future__ import annotations

from unconceal.judges.concept_judge import NONE
from unconceal.miniature.scene import Scene
from unconceal_lab.build.miniature_judge import head_labels, labels_of
from unconceal_lab.models.classifiers import HEADS

SCENES = [
    Scene("gray", 32, 32, 20, shape="star", style="dotted", colour="red"),
    Scene("gray", 32, 32, 20, character="zara"),
    Scene("gray", 32, 32, 20, sign=True),
]


def test_the_judge_should_say_subject_and_style() -> None:
    assert [labels_of(scene) for scene in SCENES] == [("star", "dotted"), ("zara", NONE), ("hazard sign", NONE)]
    assert head_labels(SCENES) == {"subject": ["star", "zara", "hazard sign"], "style": ["dotted", NONE, NONE]}


def test_its_subjects_are_those_of_the_drawings_classifier() -> None:
    assert all(labels_of(scene)[0] in HEADS["subject"] for scene in SCENES)
