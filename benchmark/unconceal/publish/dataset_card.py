"""The dataset's card and `eval.yaml`: what it holds, how to load it, how to cite it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from unconceal.exports.bibtex import software_entry
from unconceal.exports.eval_results import as_yaml, task_ids
from unconceal.leaderboard.labels import INTRODUCTION
from unconceal.publish.arrow_schemas import MEANINGS, SPLIT, TABLES
from unconceal.publish.dataset_tables import parquet_name
from unconceal.results.result_tables import ResultTable

TITLE = "unconceal: unlearned, or merely concealed?"


def card(version: str, tables: Mapping[str, pa.Table], root: Path, name: str) -> str:
    """README.md of the dataset. ``name``: what `load_dataset` is given; ``root``: where CITATION.cff lies."""
    front: dict[str, Any] = {
        "pretty_name": TITLE,
        "license": "apache-2.0",
        "language": ["en"],
        "tags": ["machine-unlearning", "concept-erasure", "text-to-image", "diffusion", "benchmark", "leaderboard"],
        "configs": [{"config_name": config, "data_files": [{"split": SPLIT, "path": parquet_name(config)}]} for config in TABLES],
    }
    front["configs"][0]["default"] = True
    columns = {config: [(field.name, spelled(field.type)) for field in schema] for config, schema in TABLES.items()}
    loader = PackageLoader("unconceal.publish")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.get_template("card.md.j2").render(
        front=as_yaml(front),
        title=TITLE,
        introduction=INTRODUCTION,
        version=version,
        name=name,
        split=SPLIT,
        meanings=MEANINGS,
        columns=columns,
        counts={config: table.num_rows for config, table in tables.items()},
        citation=software_entry(root),
    )


def spelled(kind: pa.DataType) -> str:
    """An Arrow type in words: ``list of double``, ``struct (name, value)``."""
    if pa.types.is_list(kind):
        return f"list of {spelled(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"struct ({', '.join(field.name for field in kind)})"
    return str(kind)


def eval_yaml(boards: Iterable[ResultTable]) -> str:
    """`eval.yaml`: the tasks that `.eval_results` of models may name."""
    tasks = [{"id": identity, "config": "results", "split": SPLIT} for board in boards for identity in task_ids(board).values()]
    return as_yaml(
        {
            "name": TITLE,
            "description": "How far unlearned text-to-image models have forgotten a concept (forgetting, 1 - excess retrieval over models "
            "that never saw it) and kept the others (retention, 1 - retained drop). Higher is better.",
            "evaluation_framework": "unconceal",
            "tasks": tasks,
        }
    )


def manifest(version: str, digests: Mapping[str, str]) -> str:
    """`manifest.json`: every other file with its SHA-256."""
    return json.dumps({"version": version, "files": dict(sorted(digests.items()))}, indent=1) + "\n"
