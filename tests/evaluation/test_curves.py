"""Scores and curves from arrays, against arithmetic done here."""

from __future__ import annotations

import numpy as np
import pytest

from unconceal.evaluation import curves
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.suite import Scoring

K = {0.0: 0, 0.55: 2, 1.0: 4}


def results(separable: bool) -> tuple[dict[str, FloatArray], dict[str, float | None]]:
    """Classifier results of 10 prompts × 2 seeds whose pulls are constants."""
    shape = (10, 2, 3)
    s_o, s_u = np.full(shape, 0.3), np.broadcast_to([0.3, 0.5, 0.7], shape)
    scores = np.concatenate([np.linspace(1, 2, 40), np.linspace(-2, -1, 40)]) if separable else np.tile([0.0, 1.0], 40)
    labels = np.concatenate([np.ones(40), np.zeros(40)])
    ccs = np.broadcast_to([0.0, 0.5, 1.0], shape)
    by_psi, scores_by_name, means = curves.classifier_results(
        "forget", "resnet18", K, Scoring(), s_o, s_u, ccs, np.full(10, 0.4), np.zeros(10), scores, labels
    )
    assert [curve.name for curve in by_psi] == ["crs.signed", "crs.released", "ccs"]
    return means, {name: score.value for name, score in scores_by_name.items()}


def test_means_over_psi_run_to_the_upper_end_alone() -> None:
    _, values = results(separable=True)
    assert values["crs.signed.forget.resnet18"] == pytest.approx(0.1)
    assert values["crs.released.forget.resnet18"] == pytest.approx(0.1)
    assert values["ccs.forget.resnet18"] == pytest.approx(0.25)
    assert values["crs.calibrated.forget.resnet18"] == pytest.approx(0.1 / 0.4)
    assert values["auc.forget.resnet18"] == 1.0


def test_an_inseparable_classifier_calibrates_nothing() -> None:
    means, values = results(separable=False)
    assert values["crs.calibrated.forget.resnet18"] is None
    assert "crs.calibrated" not in means


def test_the_mean_over_extractors_is_the_mean_of_prompts_means() -> None:
    means = {"a": {"ccs": np.array([0.2, 0.4] * 5)}, "b": {"ccs": np.array([0.4, 0.6] * 5)}}
    assert curves.mean_over_extractors("forget", means, Scoring())["ccs.forget.mean"].value == pytest.approx(0.4)


def test_prompts_without_a_value_are_left_out_and_counted() -> None:
    score = curves.mean_score(np.array([0.5, np.nan, 0.7, 0.6]))
    assert score.value == pytest.approx(0.6)
    assert score.n == 3
    assert curves.mean_score(np.array([np.nan])).value is None


def test_a_curve_keeps_every_prompt() -> None:
    rows = np.arange(6, dtype=float).reshape(2, 3) / 5
    curve = curves.make_curve("presence", "forget", K, rows, n_images=4, arm="empty")
    assert curve.value == pytest.approx(rows.mean(axis=0))
    assert np.allclose(np.asarray(curve.per_prompt, float), rows)
    assert curve.k == (0, 2, 4)


def test_kid_without_enough_pictures_has_no_score() -> None:
    assert curves.psi_mean_score(K, [None, 0.1, 0.2], Scoring(), 5).value is None
