"""What somebody may do to a shard's file while it is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest

from unconceal.generate import shard_file

Disturb = Callable[[Path], object]
DISTURBANCES: dict[str, Disturb] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "altered": lambda path: path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8),
    "lengthened": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


def disturbing(monkeypatch: pytest.MonkeyPatch, disturb: Disturb, times: int = 1) -> list[Path]:
    """Somebody does that to files between the reading of their headers and of their arrays; returns those that were hit."""
    read_header, hit = shard_file._header, list[Path]()

    def disturbed(file: BufferedReader, size: int) -> dict[str, Any]:
        header = read_header(file, size)
        if len(hit) < times and Path(file.name) not in hit:
            hit.append(Path(file.name))
            disturb(hit[-1])
        return header

    monkeypatch.setattr(shard_file, "_header", disturbed)
    return hit
