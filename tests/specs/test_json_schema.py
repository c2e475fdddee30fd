"""The committed JSON Schemas are what the models say, and every YAML points to its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unconceal.paths import SOURCE_TREE
from unconceal.specs.json_schema import SPECS, schema_file, schema_text, stale_schemas, write_schemas

HINT = "# yaml-language-server: $schema="


def test_committed_schemas_are_fresh() -> None:
    assert not list(stale_schemas(SOURCE_TREE / "schemas")), "run `unconceal tasks schema`"


def test_stale_and_missing_schemas_are_found(tmp_path: Path) -> None:
    assert len(list(stale_schemas(tmp_path))) == len(SPECS)
    write_schemas(tmp_path)
    assert not list(stale_schemas(tmp_path))
    schema_file(tmp_path, "task").write_text("{}")
    assert [path.name for path in stale_schemas(tmp_path)] == ["task.schema.json"]


@pytest.mark.parametrize("name", SPECS)
def test_schemas_refuse_unknown_fields(name: str) -> None:
    schema = json.loads(schema_text(SPECS[name]))
    assert schema["additionalProperties"] is False and schema["properties"]


def test_every_yaml_names_its_schema() -> None:
    files = [*SOURCE_TREE.glob("tasks/**/*.yaml"), *SOURCE_TREE.glob("submissions/*/*.yaml")]
    assert files
    for path in files:
        of_task = "probes" if path.parent.suffix == ".probes" else "task"
        of_suite = path.stem if path.stem in ("suite", "planting", "paraphrases", "controls") else of_task
        kind = "submission" if "submissions" in path.parts else of_suite
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert first.startswith(HINT)
        assert (path.parent / first.removeprefix(HINT)).resolve() == schema_file(SOURCE_TREE / "schemas", kind)
