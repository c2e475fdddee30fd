"""Edits YAML files without changing their comments, order and quotes."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def round_trip_yaml() -> YAML:
    """A YAML reader and writer that keeps comments, order, quotes and the layout of this project's files."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def yaml_text(values: Any) -> str:
    """Values as YAML text."""
    stream = StringIO()
    round_trip_yaml().dump(values, stream)
    return stream.getvalue()
