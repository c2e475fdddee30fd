"""Files that are there whole or not at all (no torch)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

TEMPORARY = ".part-"
"""How files begin that are being written; what is left of them was never in place."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` so that a reader sees the old file or the whole new one, never a part; nothing else stays behind."""
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
