"""A full diffusers pipeline folder, as Forget-Me-Not or MACE release it."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.folders import read_folder, read_json
from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint

INDEX = "model_index.json"
FILTERED = "a safety checker, which blanks images: filtering is not forgetting"


def detect(opened: OpenedCheckpoint) -> bool:
    return isinstance(opened, Path) and (opened / INDEX).is_file()


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Path)
    index = read_json(opened / INDEX, opened)
    checker = index.get("safety_checker")
    filtered = isinstance(checker, list) and any(part is not None for part in checker)
    tensors = {component: read_folder(opened / component, opened) for component in base}
    return ReadCheckpoint(tensors, whole=True, unused_parts=(FILTERED,) if filtered else ())
