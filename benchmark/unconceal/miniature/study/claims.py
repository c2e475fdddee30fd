"""Processes started side by side share work: whoever claims a piece does it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[bool]:
    """Whether this process may do a piece of work: no other that is alive has claimed it."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / name
    try:
        place.open("x").write(str(os.getpid()))
    except FileExistsError:
        holder = place.read_text()
        if holder and _alive(int(holder)):
            yield False
            return
        place.write_text(str(os.getpid()))
    try:
        yield True
    finally:
        place.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
