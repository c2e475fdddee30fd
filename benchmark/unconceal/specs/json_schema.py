"""JSON Schemas of all specs, for editors and CI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from unconceal.specs.controls import Controls
from unconceal.specs.paraphrases import Paraphrases
from unconceal.specs.planting_plan import Planting
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.record import Record
from unconceal.specs.reported import Reported
from unconceal.specs.spec import Spec
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

SPECS: dict[str, type[Spec]] = {
    "suite": Suite,
    "task": Task,
    "submission": Submission,
    "probes": ProbeSet,
    "record": Record,
    "reported": Reported,
    "planting": Planting,
    "paraphrases": Paraphrases,
    "controls": Controls,
}


def schema_text(model: type[Spec]) -> str:
    """The schema as committed: sorted, one trailing newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in SPECS.items():
        schema_file(folder, name).write_text(schema_text(model), encoding="utf-8", newline="\n")
    return [schema_file(folder, name) for name in SPECS]


def stale_schemas(folder: Path) -> Iterator[Path]:
    """Schemas that are missing or differ from what the models say now."""
    for name, model in SPECS.items():
        path = schema_file(folder, name)
        if not path.is_file() or path.read_text(encoding="utf-8") != schema_text(model):
            yield path


def schema_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.schema.json"
