"""The list that every room of the corpus writes to, and files of any content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

Hostile = Callable[[Path], Path]
KEY = "conv_in.bias"
CORPUS: dict[str, tuple[Hostile, str]] = {}
"""What it tries: who writes it, and what the line code."""


def tries(what: str, code: str) -> Callable[[Hostile], Hostile]:
    def listed(make: Hostile) -> Hostile:
        CORPUS[what] = (make, code)
        return make

    return listed


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def saved(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file(state, folder / "x.safetensors")
    return folder / "x.safetensors"
