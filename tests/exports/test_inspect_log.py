"""Logs for Inspect, read back by its own reader; only where the extra is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.records import record, with_prompts
from unconceal.results.result_tables import ResultRow, group_rows

pytest.importorskip("inspect_ai", reason="needs the extra inspect")


def test_scores_and_samples_come_back(tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log

    from unconceal.exports.inspect_log import inspect_logs

    row = with_prompts(record())
    ((_, text),) = inspect_logs(group_rows([ResultRow(row, tmp_path / "x.json")]))
    (tmp_path / "log.json").write_text(text, encoding="utf-8")
    log = read_eval_log(str(tmp_path / "log.json"))
    assert log.status == "success" and log.results is not None and log.samples is not None
    metrics = log.results.scores[0].metrics
    assert metrics["excess"].value == row.scores["excess"].value and metrics["excess"].metadata is not None
    assert metrics["excess"].metadata["low"] == row.scores["excess"].low
    curve = next(curve for curve in row.curves if (curve.name, curve.split, curve.arm) == ("presence", "forget", "empty"))
    presence = [sample.metadata["presence"]["empty"] for sample in log.samples]
    assert [list(values.values()) for values in presence] == [list(values) for values in curve.per_prompt]
