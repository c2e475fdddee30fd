from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codes import raises
from unconceal.judges import augmentations, concept_judge, extractors
from unconceal.metrics.statistics import wilson
from unconceal.specs.digests import file_digest

Squares = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="module")
def judge(resnet_weights: Path, squares: Squares) -> concept_judge.ConceptJudge:
    """Red squares are "red" and "flat", blue ones "blue" and without style; constant pictures unreadable."""
    parts = (extractors.load("resnet18", resnet_weights),)
    blank = augmentations.constant(60, 64, np.random.default_rng(0))
    pixels = np.concatenate([squares(60, 0, red=True), squares(60, 1, red=False), blank])
    subject = ["red"] * 60 + ["blue"] * 60 + [concept_judge.UNREADABLE] * 60
    style = ["flat"] * 60 + [concept_judge.NONE] * 60 + [concept_judge.UNREADABLE] * 60
    head = concept_judge.fit_head(
        concept_judge.judge_features(parts, pixels), {"subject": subject, "style": style}, seed=0, epochs=60, batch_size=32
    )
    return concept_judge.ConceptJudge(head, parts, {"resnet18": file_digest(resnet_weights)})


def test_it_answers_per_family(judge: concept_judge.ConceptJudge, squares: Squares) -> None:
    pixels = np.concatenate([squares(4, 5, red=True), squares(4, 6, red=False), augmentations.constant(2, 64, np.random.default_rng(9))])
    message = judge.labels(pixels)
    assert message["subject"] == ["red"] * 4 + ["blue"] * 4 + ["unreadable"] * 2
    assert message["style"] == ["flat"] * 4 + ["none"] * 4 + ["unreadable"] * 2
    np.testing.assert_array_equal(judge.shows(pixels, "subject", "blue"), [False] * 4 + [True] * 4 + [False] * 2)
    with raises("judge.unknown-label"):
        judge.shows(pixels, "subject", "star")


def test_presence_is_scored_by_the_probability_of_the_label(judge: concept_judge.ConceptJudge, squares: Squares) -> None:
    """Of each family's labels together they sum to 1, and the answer is the largest."""
    pixels = np.concatenate([squares(3, 5, red=True), squares(3, 6, red=False)])
    scores = np.stack([judge.presence_scores(pixels, "subject", label) for label in judge.head.labels["subject"]])
    np.testing.assert_allclose(scores.sum(axis=0), 1)
    assert [judge.head.labels["subject"][row] for row in scores.argmax(axis=0)] == ["red"] * 3 + ["blue"] * 3
    with raises("judge.unknown-label"):
        judge.presence_scores(pixels, "subject", "star")


def test_gate_covers_every_label(judge: concept_judge.ConceptJudge, squares: Squares) -> None:
    pixels = np.concatenate([squares(20, 7, red=True), squares(20, 8, red=False)])
    gates = concept_judge.gate_accuracies(judge, pixels, ["red"] * 20 + ["blue"] * 20, ["flat"] * 20 + ["none"] * 20)
    assert set(gates) == {"subject/red", "subject/blue", "style/flat", "style/none"}
    assert all(gate.value == 1 and 0.8 < gate.interval.low < 1 for gate in gates.values())


def test_saved_judges_answer_alike_and_refuse_other_extractors(
    judge: concept_judge.ConceptJudge, resnet_weights: Path, squares: Squares, tmp_path: Path
) -> None:
    judge.save(tmp_path)
    pixels = squares(6, 9, red=True)
    again = concept_judge.ConceptJudge.load(tmp_path, {"resnet18": resnet_weights})
    assert again.labels(pixels) == judge.labels(pixels)
    other = tmp_path / "other.safetensors"
    extractors.save(extractors.load("resnet18", resnet_weights).backbone.half(), other)
    for weights in ({}, {"resnet18": other}, {"resnet18": tmp_path / "missing"}):
        with raises("judge.wrong-extractor"):
            concept_judge.ConceptJudge.load(tmp_path, weights)
    (tmp_path / concept_judge.HEAD_FILE).write_bytes(b"cut short")
    with raises("judge.unreadable"):
        concept_judge.ConceptJudge.load(tmp_path, {"resnet18": resnet_weights})


def test_fitting_is_seeded() -> None:
    rng = np.random.default_rng(0)
    rows, names = rng.normal(size=(40, 5)).astype(np.float32), [str(i % 3) for i in range(40)]
    item, two, three = (concept_judge.fit_head(rows, {"subject": names}, seed=seed, epochs=2) for seed in (1, 1, 2))
    weights = [next(head.body.parameters()).detach().numpy().tobytes() for head in (item, two, three)]
    assert weights[0] == weights[1] != weights[2]


def test_balanced_accuracy_by_hand() -> None:
    truth = ["a"] * 10 + ["b"] * 40
    message = ["a"] * 8 + ["b"] * 2 + ["b"] * 36 + ["a"] * 4
    result = concept_judge.balanced_accuracy(truth, message, "a")
    assert result.value == pytest.approx((0.8 + 0.9) / 2)
    below = np.sqrt((0.8 - wilson(8, 10).low) ** 2 + (0.9 - wilson(36, 40).low) ** 2) / 2
    assert result.interval.low == pytest.approx(0.85 - below)
    assert (result.positives, result.negatives) == (10, 40)
    assert concept_judge.balanced_accuracy(["b"], ["b"], "a").interval == (0, 1)
