"""A full diffusers pipeline folder, as Forget-Me-Not or MACE release it."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.names import COMPONENTS, StateDict
from unconceal.checkpoints.weights import read_folder


def detect(path: Path) -> bool:
    return (path / "model_index.json").is_file()


def read(path: Path) -> dict[str, StateDict]:
    return {component: read_folder(path / component) for component in COMPONENTS}
