"""Who makes what: processes that share a store, on one machine or many, never make one thing twice at the same time (no torch).

A claim is a lock on one byte of one file, at a place that the name of the claimed thing decides. The system gives it back when its
holder ends, however that came about, so that neither a killed process nor a clock that jumps leaves anything behind. Where a file system
knows no locks, or nothing may be written, everybody goes on unclaimed: work may then be done twice, which costs time and changes nothing.
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
    LOCKS: ModuleType | None = None
else:
    LOCKS = _fcntl

HELD = (errno.EACCES, errno.EAGAIN)
PLACES = 2**62
_opened: dict[Path, int] = {}
"""One descriptor a file and process, never closed while it is in use: closing any would give all of the process's locks back."""


@contextmanager
def claimed(file: Path, name: str, wait: bool = True) -> Iterator[bool]:
    """Whether this process may do ``name``: always after waiting; without ``wait``, not while another process does it."""
    descriptor, place = _descriptor(file), int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % PLACES
    if LOCKS is None or descriptor is None:
        yield True
        return
    try:
        LOCKS.lockf(descriptor, LOCKS.LOCK_EX | (0 if wait else LOCKS.LOCK_NB), 1, place)
    except OSError as error:
        yield wait or error.errno not in HELD
        return
    try:
        yield True
    finally:
        LOCKS.lockf(descriptor, LOCKS.LOCK_UN, 1, place)


def _descriptor(file: Path) -> int | None:
    """The claims' file opened, made where it is missing; None: it cannot be."""
    known = _opened.get(file)
    if known is not None and _is_still(known, file):
        return known
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _opened[file] = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return None
    return _opened[file]


def _is_still(descriptor: int, file: Path) -> bool:
    """Whether an opened file is still the one that lies there."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except OSError:
        return False
