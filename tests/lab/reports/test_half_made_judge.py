"""Agreement of two judges with the classifier, by hand."""

from __future__ import annotations

import numpy as np

from unconceal_lab.build.half_made_images import LabelledImages, target_scene
from unconceal_lab.build.recipe import TASKS
from unconceal_lab.reports.half_made_judge import accuracy_rows, equal_rows

N = 80
SUBJECTS = ["star"] * 40 + ["circle"] * 40
CONFIDENCE = np.asarray([0.9, 0.7] * (N // 2), np.float32)


def labelled() -> LabelledImages:
    return LabelledImages(
        np.zeros((N, 1, 1, 3), np.uint8), {"subject": SUBJECTS, "style": ["flat"] * N}, {"subject": CONFIDENCE, "style": CONFIDENCE}
    )


def test_only_confident_labels_are_learned() -> None:
    labels = labelled().confident_labels(0.8)
    assert labels["subject"][:2] == ["star", None] and sum(name is None for name in labels["style"]) == N // 2


def test_shares_of_equal_labels_by_model() -> None:
    """The first judge is always right; the second misses every image of which the classifier is unsure."""
    second = [name if i % 2 == 0 else "ring" for i, name in enumerate(SUBJECTS)]
    answers = [{"subject": SUBJECTS, "style": ["flat"] * N}, {"subject": second, "style": ["flat"] * N}]
    rows = {(row[0], row[1]): row[2:] for row in equal_rows(("a", "b"), labelled(), answers)}
    assert rows["a", "subject"] == rows["b", "subject"] == ["1.000", "0.500", "1.000", "1.000"]
    assert rows["a", "style"] == ["1.000"] * 4


def test_balanced_accuracy_where_enough_images_show_the_concept() -> None:
    answers = [{"subject": ["star"] * N, "style": ["flat"] * N}] * 2
    rows = list(accuracy_rows(("all",), labelled(), answers))
    assert [row[:3] for row in rows] == [["all", "star", "40"]]
    assert all(cell.startswith("0.500") for cell in rows[0][3:])
    assert not list(accuracy_rows(("a", "b", "c"), labelled(), answers)), "26 images or fewer per model"


def test_most_scenes_show_a_target() -> None:
    rng = np.random.default_rng(0)
    shown = [bool(target_scene(rng).concepts & set(TASKS)) for _ in range(200)]
    assert 0.7 <= np.mean(shown) < 1
