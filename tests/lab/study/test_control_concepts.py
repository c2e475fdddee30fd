from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unconceal.miniature.drawing import draw
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import HELD_OUT_TASKS, TASKS, Recipe, Training
from unconceal_lab.models import classifiers
from unconceal_lab.study import control_concepts
from unconceal_lab.study.control_concepts import ALL, CROWN, NEWCOMERS, NORI, RINGED, drawings, rate, shown_by


def test_no_model_ever_saw_them() -> None:
    known = {*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES}
    assert not known & set(NEWCOMERS.values()) and set(NEWCOMERS) == set({**TASKS, **HELD_OUT_TASKS}.values())


@pytest.mark.parametrize("concept", [CROWN, RINGED, NORI, "star", "striped", "zara", SIGN])
def test_drawings_show_their_concept(concept: str) -> None:
    some, more = drawings(concept, 4, 1), drawings(concept, 6, 1)
    assert all(concept in scene.concepts for scene in some.scenes) and some.pixels.shape == (4, 64, 64, 3)
    assert np.array_equal(some.pixels, more.pixels[:4]) and not np.array_equal(some.pixels, drawings(concept, 4, 2).pixels)


def test_a_newcomer_is_drawn_like_nothing_else() -> None:
    plain = Scene("white", 32, 32, 20, shape="circle", style="flat", colour="red")
    new = draw(shown_by(CROWN, plain), control_concepts.FORMS).astype(float)
    apart = [np.abs(new - draw(shown_by(name, plain))).mean() for name in SHAPE_NAMES]
    assert min(apart) > 3
    assert np.array_equal(draw(plain, control_concepts.FORMS), draw(plain))


def test_the_classifier_knows_them_beside_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = BuildDir(tmp_path, Recipe(pictures=30, held_out=2))
    shop.__dict__["softened"] = torch.zeros((4, 64, 64, 3), dtype=torch.uint8)
    monkeypatch.setattr(control_concepts, "DRAWN", 6)
    monkeypatch.setattr(control_concepts, "CLASSIFIER", Training(1, 2, 4))
    model = control_concepts.classifier(shop)
    assert shop.exists("newcomers.pt") and classifiers.probabilities(model, drawings(CROWN, 2, 1).pixels, heads=ALL)["subject"].shape == (
        2,
        29,
    )
    assert 0 <= rate(model, drawings(RINGED, 3, 1).pixels, RINGED) <= 1
    names = ALL["subject"]
    monkeypatch.setattr(
        classifiers, "probabilities", lambda *args, **more: {"subject": np.eye(29)[[names.index(CROWN), names.index(CROWN), 0]]}
    )
    assert rate(model, np.zeros((3, 64, 64, 3), np.uint8), CROWN) == pytest.approx(2 / 3)
