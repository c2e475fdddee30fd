"""Locks that keep two processes, on one machine or several, from generating the same thing at the same time (no torch).

A lock covers one byte of one file; the name decides which byte. The system releases it when its holder ends, however it ends. Where a
file system has no locks or cannot be written, everybody proceeds without: work may then be done twice, which costs time only.
The package ``filelock`` would leave one file per shard in the store, never removed, and waits by polling.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

try:
    import fcntl as _fcntl
except ImportError:  # not on this system
    FCNTL: ModuleType | None = None
else:
    FCNTL = _fcntl

CONTENTION = (errno.EACCES, errno.EAGAIN)
BYTES = 2**62
_descriptors: dict[Path, int] = {}
"""One descriptor per file and process, never closed while in use: closing any of them would release all locks of the process."""


@contextmanager
def locked(file: Path, name: str, wait: bool = True) -> Iterator[bool]:
    """Hold the lock ``name``.

    Args:
        file: the file that holds all locks of a store.
        name: of the lock; the process that holds it may take it again.
        wait: whether to wait while another process holds it.

    Yields:
        Whether this process may go on: always True after waiting, else False while another process holds the lock.
    """
    descriptor, offset = _descriptor(file), int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % BYTES
    if FCNTL is None or descriptor is None:
        yield True
        return
    try:
        FCNTL.lockf(descriptor, FCNTL.LOCK_EX | (0 if wait else FCNTL.LOCK_NB), 1, offset)
    except OSError as error:
        yield wait or error.errno not in CONTENTION
        return
    try:
        yield True
    finally:
        FCNTL.lockf(descriptor, FCNTL.LOCK_UN, 1, offset)


def _descriptor(file: Path) -> int | None:
    """The lock file, opened and created if needed; None if it cannot be."""
    descriptor = _descriptors.get(file)
    if descriptor is not None and _is_same_file(descriptor, file):
        return descriptor
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _descriptors[file] = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return None
    return _descriptors[file]


def _is_same_file(descriptor: int, file: Path) -> bool:
    """Whether an open descriptor still refers to the file at that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except OSError:
        return False
