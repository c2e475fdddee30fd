"""What a checkpoint may be on the disk. It is looked at before anything is hashed or read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.sandbox.child import GIB, Limits

MAX_BYTES = 64 * 2**30
"""Of a checkpoint, all files together."""
MAX_ENTRIES, MAX_DEPTH = 10_000, 8
"""Files and folders of a checkpoint's folder, and levels of folders; diffusers has two."""
MIN_SPARSE_BYTES = 2**20
READ_RATE = 50 * 2**20
"""Bytes per second that the slowest disk reads."""
RELEASE = "release the changed weights only"


def check_files(checkpoint: Path) -> int:
    """Check the kind, number, depth and size of a checkpoint's files.

    Returns:
        Their bytes.

    Raises:
        CheckFailed: one is a pipe, a device or mostly a hole; or they are too many, too deep or too large.
    """
    total = 0
    for number, path in enumerate(_entries(checkpoint)):
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue  # a broken link: the readers say so where they need it
        if number > MAX_ENTRIES:
            raise CheckFailed("checkpoint.too-large", str(checkpoint), f"holds more than {MAX_ENTRIES} files, so it is not read", RELEASE)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise CheckFailed("checkpoint.no-file", str(path), "is no regular file, so it is not opened", "put the file itself there")
        if stat.S_ISDIR(status.st_mode):
            continue
        if status.st_size > MIN_SPARSE_BYTES and status.st_blocks * 512 < status.st_size // 16:
            consequence = f"claims {status.st_size} bytes and holds {status.st_blocks * 512}, so it is not read"
            raise CheckFailed("checkpoint.sparse", str(path), consequence, "export it again")
        total += status.st_size
        if total > MAX_BYTES:
            consequence = f"is larger than {MAX_BYTES // 2**30} GiB, so it is not opened"
            raise CheckFailed("checkpoint.too-large", str(checkpoint), consequence, RELEASE)
    return total


def _entries(checkpoint: Path) -> Iterator[Path]:
    """A file; or a folder's entries, without following links to folders."""
    if not checkpoint.is_dir():
        yield checkpoint
        return
    start = len(checkpoint.parts)
    for folder, folders, files in os.walk(checkpoint):
        if len(Path(folder).parts) - start > MAX_DEPTH:
            consequence = f"has folders more than {MAX_DEPTH} levels deep, so it is not read"
            raise CheckFailed("checkpoint.too-large", str(checkpoint), consequence, "release a folder as diffusers saves it")
        yield from (Path(folder, name) for name in (*folders, *files))


def reading_limits(checkpoint: Path, base_bytes: int = 0) -> Limits:
    """Time and memory for reading a checkpoint and applying it to a base of that size; raises CheckFailed as :func:`check_files`."""
    size = check_files(checkpoint) if checkpoint.exists() else 0
    return Limits(seconds=60 + size / READ_RATE, memory=GIB + 4 * size + 2 * base_bytes)
