"""The Hub's own format for results of a model, `.eval_results/*.yaml`: one scalar per task, oriented upwards.

Each task of a suite gives two: ``forgetting``, 1 − excess, and ``retention``, 1 − retained fall. 1 is a model that never saw the concept,
or lost nothing else; 0 one that unlearned nothing, or lost all.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from unconceal.leaderboard.numbers import with_interval
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record

MEASURES = {"forgetting": "excess", "retention": "retain_fall"}
"""Measure to the score that it is 1 minus of."""


def task_ids(board: ResultTable) -> dict[str, str]:
    """Measure to its task's id in the benchmark dataset."""
    return {measure: f"{board.suite_id}.{board.concept}.{measure}" for measure in MEASURES}


def files(boards: Iterable[ResultTable], dataset: str, revision: str | None = None) -> dict[str, str]:
    """``<suite>/<submission>/.eval_results/unconceal.yaml`` to its text, for every submission that has a number. Controls are no models."""
    from huggingface_hub import eval_result_entries_to_yaml

    entries: dict[str, list[Any]] = {}
    for board in boards:
        for row in board.rows:
            if not row.is_control and row.record.verification.status != "withdrawn":
                place = f"{board.suite_id}/{row.record.submission}/.eval_results/unconceal.yaml"
                entries.setdefault(place, []).extend(_entries(row, board, dataset, revision))
    return {place: as_yaml(eval_result_entries_to_yaml(found)) for place, found in sorted(entries.items()) if found}


def _entries(row: ResultRow, board: ResultTable, dataset: str, revision: str | None) -> Iterator[Any]:
    from huggingface_hub import EvalResultEntry

    record, ids = row.record, task_ids(board)
    for measure, name in MEASURES.items():
        score = record.scores.get(name)
        if score is not None and score.value is not None:
            yield EvalResultEntry(
                dataset_id=dataset,
                task_id=ids[measure],
                value=1 - score.value,
                dataset_revision=revision,
                date=record.verification.date or None,
                notes=notes(record, name),
            )


def notes(record: Record, name: str) -> str:
    """What the scalar leaves out: interval, verdict, the gold behind it, tier and verification."""
    gold = f", gold {record.verdict.gold}" if record.verdict.gold else ""
    status = record.verification.status.replace("_", "-")
    return f"{name} {with_interval(record.scores[name])}; {record.verdict.label}{gold}; {record.protocol}-{record.tier}; {status}"


def as_yaml(value: Any) -> str:
    """Plain values as YAML, keys in their order."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    buffer = io.StringIO()
    yaml.dump(value, buffer)
    return buffer.getvalue()
