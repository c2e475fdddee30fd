"""The dataset's card, `eval.yaml` and manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from unconceal.exports.bibtex import software_entry
from unconceal.exports.eval_results import task_ids, to_yaml
from unconceal.leaderboard.labels import INTRODUCTION
from unconceal.publish.arrow_schemas import DESCRIPTIONS, SPLIT, TABLES
from unconceal.publish.dataset_tables import parquet_name
from unconceal.results.result_tables import ResultTable

TITLE = "unconceal: unlearned, or merely concealed?"


def card_text(version: str, tables: Mapping[str, pa.Table], root: Path, name: str) -> str:
    """README.md of the dataset.

    Args:
        version: the version's tag.
        tables: the dataset's tables.
        root: the folder of CITATION.cff.
        name: the dataset's name for `load_dataset`.
    """
    front_matter: dict[str, Any] = {
        "pretty_name": TITLE,
        "license": "apache-2.0",
        "language": ["en"],
        "tags": ["machine-unlearning", "concept-erasure", "text-to-image", "diffusion", "benchmark", "leaderboard"],
        "configs": [{"config_name": config, "data_files": [{"split": SPLIT, "path": parquet_name(config)}]} for config in TABLES],
    }
    front_matter["configs"][0]["default"] = True
    columns = {config: [(field.name, type_text(field.type)) for field in schema] for config, schema in TABLES.items()}
    loader = PackageLoader("unconceal.publish")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.get_template("card.md.j2").render(
        front=to_yaml(front_matter),
        title=TITLE,
        introduction=INTRODUCTION,
        version=version,
        name=name,
        split=SPLIT,
        descriptions=DESCRIPTIONS,
        columns=columns,
        counts={config: table.num_rows for config, table in tables.items()},
        citation=software_entry(root),
    )


def type_text(arrow_type: pa.DataType) -> str:
    """An Arrow type in words: ``list of double``, ``struct (name, value)``."""
    if pa.types.is_list(arrow_type):
        return f"list of {type_text(arrow_type.value_type)}"
    if pa.types.is_struct(arrow_type):
        return f"struct ({', '.join(field.name for field in arrow_type)})"
    return str(arrow_type)


def eval_yaml(tables: Iterable[ResultTable]) -> str:
    """`eval.yaml`: the tasks that `.eval_results` of models may name.

    Without ``evaluation_framework``: its values are a closed list of the Hub, and this project is not on it yet.
    """
    tasks = [{"id": task_id, "config": "results", "split": SPLIT} for table in tables for task_id in task_ids(table).values()]
    return to_yaml(
        {
            "name": TITLE,
            "description": "How far unlearned text-to-image models have forgotten a concept (forgetting, 1 - excess retrieval over models "
            "that never saw it) and kept the others (retention, 1 - retained drop). Higher is better.",
            "tasks": tasks,
        }
    )


def manifest_text(version: str, digests: Mapping[str, str]) -> str:
    """`manifest.json`: every other file with its SHA-256."""
    return json.dumps({"version": version, "files": dict(sorted(digests.items()))}, indent=1) + "\n"
