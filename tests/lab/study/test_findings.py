"""Against cases whose answer is known without computing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from study_rows import row
from unconceal_lab.study import findings
from unconceal_lab.study.findings import (
    METRICS,
    correlation_difference,
    labelled_truths,
    rank_agreement,
    relearning,
    rhos,
    score,
    separation,
    verdicts,
)
from unconceal_lab.study.study_rows import Row, read_rows, write_rows


def series(task: str, order: int = 1) -> list[Row]:
    return [row(f"m{i}", task=task, knows=i / 10, scores={"excess": order * i / 10}) for i in range(8)]


def test_ranks_agree_within_tasks_and_only_there() -> None:
    """Two tasks of opposite level and the same order: pooled, the ranks would disagree."""
    shifted = [
        item.model_copy(update={"scores": {"excess": 5 - i}, "relearning": -3 + i / 10}) for i, item in enumerate(series("object/cross"))
    ]
    result = rank_agreement([*series("object/star"), *shifted], score("excess"), relearning)
    assert (
        result is not None and result.rho == pytest.approx(1) and result.n == 16 and set(result.by_task) == {"object/star", "object/cross"}
    )
    assert result.low > 0.7 and result.high <= 1 + 1e-9
    backwards = rank_agreement(series("object/star", -1), score("excess"), relearning)
    assert backwards is not None and backwards.rho == pytest.approx(-1)


def test_two_metrics_are_compared_on_the_same_models() -> None:
    """Two right of two tasks; the other is backwards in one and not known of a model in each."""
    known_values = {f"m{i}": i for i in range(8)}
    rows = [
        item.model_copy(
            update={"scores": {**item.scores, "other": None if known_values[item.name] == 7 else sign * known_values[item.name]}}
        )
        for task, sign in (("object/star", 1), ("object/cross", -1))
        for item in series(task)
    ]
    result = correlation_difference(rows, score("excess"), score("other"), relearning)
    assert result is not None and (result.n, result.tasks) == (14, 2)
    assert (
        result.first == pytest.approx(1)
        and result.second == pytest.approx(0)
        and result.low == pytest.approx(0)
        and result.high == pytest.approx(2)
    )
    same = correlation_difference(rows, score("excess"), score("excess"), relearning)
    assert same is not None and (same.low, same.high) == (0, 0), "the same resamples for both"
    assert correlation_difference(rows, score("excess"), score("absent"), relearning) is None


def test_ranks_of_too_few_or_of_what_does_not_vary_are_not_given() -> None:
    assert rank_agreement(series("object/star")[:4], score("excess"), relearning) is None
    assert rank_agreement(series("object/star", 0), score("excess"), relearning) is None
    assert rank_agreement(series("object/star"), score("absent"), relearning) is None


def test_the_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    tables = rng.integers(4, size=(20, 9, 2)).astype(float)
    assert np.allclose(rhos(tables), [spearmanr(table[:, 0], table[:, 1]).statistic for table in tables])
    assert np.isnan(rhos(np.ones((1, 5, 2)))).all()


def test_separation_is_within_tasks() -> None:
    rows = []
    for task, level in (("object/star", 0.0), ("object/cross", 10.0)):
        rows += [row("control-original", "original", task, scores={"x": level + 3})]
        rows += [row(f"control-gold-{i}", "gold", task, scores={"x": level + i / 10}) for i in range(3)]
        rows += [row(f"decouple-{i}", "decoupled", task, scores={"x": level + 1 + i / 10}) for i in range(3)]
    result = separation(rows, score("x"))
    assert result is not None and result.area == 1 and (result.golds, result.concealers) == (6, 6) and result.interval.low > 0.5
    assert separation([item for item in rows if item.kind != "gold"], score("x")) is None


def test_verdicts_are_counted_against_truth() -> None:
    counted = verdicts([("forgets", "forgets"), ("conceals", "forgets"), ("damaged", "inconclusive"), (None, "conceals")])
    assert (counted.right, counted.wrong, counted.undecided, counted.n) == (1, 1, 1, 3)
    assert counted.false_rate.low < 1 / 3 < counted.false_rate.high
    rows = [row("a", truth="conceals", label="conceals"), row("b")]
    assert labelled_truths(rows) == [("conceals", "conceals"), (None, "inconclusive")]
    assert verdicts([("forgets", "forgets")] * 75).false_rate.high < 0.05, "75 right of 75 are what it takes to show 5 %"


def test_rows_travel_as_lines(tmp_path: Path) -> None:
    rows = [row("b"), row("a", scores={"excess": None}), row("z", task="art-style/striped")]
    write_rows(rows, tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl") == [rows[2], rows[1], rows[0]]


def test_every_metric_reads_a_row() -> None:
    names = {"crs.released.forget.resnet18": 0.1, "psi_star.prompt": None, "kid.original.forget": 2.0}
    result = {name: metric(row("x", scores=names)) for name, metric in METRICS.items()}
    assert result["CRS, as released"] == 0.1 and result["ψ*, prompt arm"] == -1.0 and result["KID to θ's pictures"] == -2.0
    assert result["CCS"] is None and findings.unseen(row("x")) is None and findings.share(row("x", "surrogate", share=0.0)) is None
