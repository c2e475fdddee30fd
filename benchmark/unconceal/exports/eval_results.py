"""The Hub's own format for results of a model, `.eval_results/*.yaml`: one scalar per task, oriented upwards.

Each task of a suite gives two: ``forgetting``, 1 − excess, and ``retention``, 1 − retained drop. 1 is a model that never saw the concept,
or lost nothing else; 0 one that unlearned nothing, or lost all.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from unconceal.leaderboard.labels import INFERENCE_TIME
from unconceal.leaderboard.numbers import with_interval
from unconceal.ranking.submission_summary import forgetting
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record

MEASURES = {"forgetting": "excess", "retention": "retain_drop"}
"""Each measure is 1 minus the score. A damaged or intact model has a forgetting of 0: it must not win by drawing nothing."""


def task_ids(table: ResultTable) -> dict[str, str]:
    """Measure to its task's id in the benchmark dataset."""
    return {measure: f"{table.suite_id}.{table.concept}.{measure}" for measure in MEASURES}


def eval_result_files(tables: Iterable[ResultTable], dataset: str, revision: str | None = None) -> dict[str, str]:
    """``<suite>/<submission>/.eval_results/unconceal.yaml`` to its text, for every submission with a score; without controls."""
    from huggingface_hub import eval_result_entries_to_yaml

    entries: dict[str, list[Any]] = {}
    for table in tables:
        for row in table.rows:
            if not row.is_control and not is_marked(row.record):
                relative_path = f"{table.suite_id}/{row.record.submission}/.eval_results/unconceal.yaml"
                entries.setdefault(relative_path, []).extend(_entries(row, table, dataset, revision))
    return {relative_path: to_yaml(eval_result_entries_to_yaml(results)) for relative_path, results in sorted(entries.items()) if results}


def _entries(row: ResultRow, table: ResultTable, dataset: str, revision: str | None) -> Iterator[Any]:
    from huggingface_hub import EvalResultEntry

    record, ids = row.record, task_ids(table)
    for measure, name in MEASURES.items():
        score = forgetting(record, name) if measure == "forgetting" else record.scores.get(name)
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
    """Interval, verdict, kind of gold, tier and verification."""
    gold = f", gold {record.verdict.gold}" if record.verdict.gold else ""
    status = record.verification.status.replace("_", "-")
    mark = f" ({INFERENCE_TIME})" if record.is_inference_time else ""
    return f"{name} {with_interval(record.scores[name])}; {record.verdict.label}{mark}{gold}; {record.protocol}-{record.tier}; {status}"


def to_yaml(value: Any) -> str:
    """Plain values as YAML, keys in their order."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    buffer = io.StringIO()
    yaml.dump(value, buffer)
    return buffer.getvalue()
