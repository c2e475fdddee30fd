"""One file of diffusers keys, whole or partial, as ESD, UCE or RECE release it: bare, or prefixed by component."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.names import StateDict, by_component
from unconceal.checkpoints.weights import SUFFIXES, read_file


def detect(path: Path) -> bool:
    return path.is_file() and path.suffix in SUFFIXES


def read(path: Path) -> dict[str, StateDict]:
    return by_component(read_file(path), str(path))
