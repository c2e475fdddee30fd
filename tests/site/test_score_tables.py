from __future__ import annotations

import pytest

from leaderboard.records import record, score
from unconceal.site.score_tables import extractors, inseparable_extractors, mean_score


def test_the_records_own_mean_comes_first() -> None:
    measured = record(scores={"ccs.forget.mean": score(0.3), "ccs.forget.resnet18": score(0.9), "auc.forget.resnet18": score(0.9)})
    assert mean_score(measured, "ccs", "forget") == score(0.3)


def test_a_missing_mean_is_that_of_the_values() -> None:
    measured = record(scores={"auc.forget.a": score(0.9, n=40), "auc.forget.b": score(1.0, n=40), "auc.forget.c": score(None, n=40)})
    mean = mean_score(measured, "auc", "forget")
    assert mean is not None and mean.value == pytest.approx(0.95) and mean.low is None and mean.n == 40
    assert extractors(measured, "forget") == ("a", "b", "c") and extractors(measured, "retain") == ()


def test_without_scores_there_is_no_mean() -> None:
    assert mean_score(record(scores={}), "auc", "forget") is None and inseparable_extractors(record(scores={}), 0.9) == ()


def test_inseparable_is_a_matter_of_the_lower_bound() -> None:
    measured = record(scores={"auc.forget.a": score(0.95, 0.04), "auc.forget.b": score(0.95, 0.06), "auc.forget.c": score(None)})
    assert inseparable_extractors(measured, 0.9) == ("b", "c")
