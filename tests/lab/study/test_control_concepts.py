from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unconceal.miniature.drawing import draw
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import HELD_OUT_TASKS, TASKS, BuildRecipe, TrainingConfig
from unconceal_lab.models import classifiers
from unconceal_lab.study import control_concepts
from unconceal_lab.study.control_concepts import CLASSES, CONTROL_CONCEPTS, CROWN, NORI, RINGED, concept_rate, drawings, with_concept


def test_no_model_ever_saw_them() -> None:
    known_values = {*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES}
    assert not known_values & set(CONTROL_CONCEPTS.values()) and set(CONTROL_CONCEPTS) == set({**TASKS, **HELD_OUT_TASKS}.values())


@pytest.mark.parametrize("concept", [CROWN, RINGED, NORI, "star", "striped", "zara", SIGN])
def test_drawings_show_their_concept(concept: str) -> None:
    some, more = drawings(concept, 4, 1), drawings(concept, 6, 1)
    assert all(concept in scene.concepts for scene in some.scenes) and some.pixels.shape == (4, 64, 64, 3)
    assert np.array_equal(some.pixels, more.pixels[:4]) and not np.array_equal(some.pixels, drawings(concept, 4, 2).pixels)


def test_a_control_concept_resembles_no_other_shape() -> None:
    plain = Scene("white", 32, 32, 20, shape="circle", style="flat", colour="red")
    new = draw(with_concept(plain, CROWN), control_concepts.SCENE_STYLE).astype(float)
    differences = [np.abs(new - draw(with_concept(plain, name))).mean() for name in SHAPE_NAMES]
    assert min(differences) > 3
    assert np.array_equal(draw(plain, control_concepts.SCENE_STYLE), draw(plain))


def test_the_classifier_recognizes_control_concepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = BuildDir(tmp_path, BuildRecipe(n_images=30, n_held_out=2))
    shop.__dict__["reconstructions"] = torch.zeros((4, 64, 64, 3), dtype=torch.uint8)
    monkeypatch.setattr(control_concepts, "N_DRAWINGS", 6)
    monkeypatch.setattr(control_concepts, "TRAINING", TrainingConfig(1, 2, 4))
    model = control_concepts.load_classifier(shop)
    assert shop.exists("newcomers.pt") and classifiers.class_probabilities(model, drawings(CROWN, 2, 1).pixels, heads=CLASSES)[
        "subject"
    ].shape == (
        2,
        29,
    )
    assert 0 <= concept_rate(model, drawings(RINGED, 3, 1).pixels, RINGED) <= 1
    names = CLASSES["subject"]
    monkeypatch.setattr(
        classifiers, "class_probabilities", lambda *args, **more: {"subject": np.eye(29)[[names.index(CROWN), names.index(CROWN), 0]]}
    )
    assert concept_rate(model, np.zeros((3, 64, 64, 3), np.uint8), CROWN) == pytest.approx(2 / 3)
