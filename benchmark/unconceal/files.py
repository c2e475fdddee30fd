"""Atomic writing of files (no torch)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

TEMPORARY = ".part-"
"""Prefix of files that are being written. Such a file that remains is incomplete."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part of it. Leaves no temporary file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            # mkstemp makes files that only their owner may read; a store or a results folder may be shared.
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
