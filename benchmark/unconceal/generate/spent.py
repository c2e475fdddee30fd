"""What the shards of an unfinished evaluation took, kept beside the store: a run that is resumed adds to it (no torch)."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from unconceal.files import read_regular_file, write_atomically
from unconceal.generate.locks import locked

FOLDER, LOCKS = "spent", "claims"
"""Names below the store."""
MAX_BYTES = 1000


class Spent(NamedTuple):
    """Forward passes of the denoiser, and seconds."""

    forward_passes: int = 0
    seconds: float = 0.0


class SpentFile:
    """The cost of one evaluation so far, of all processes that worked on it.

    Args:
        store: folder of the store.
        record: the record that the evaluation is going to be.
        checkpoint: digest of its weights.
    """

    def __init__(self, store: Path, record: Path, checkpoint: str) -> None:
        digest = hashlib.sha256(f"{record.absolute()} {checkpoint}".encode()).hexdigest()
        self.path, self._locks = store / FOLDER / f"{digest}.json", store / LOCKS

    def read(self) -> Spent:
        """The cost; nothing if there is no file, or a damaged one."""
        with suppress(OSError, ValueError, TypeError):
            values = json.loads(read_regular_file(self.path, MAX_BYTES))
            return Spent(int(values["forward_passes"]), float(values["seconds"]))
        return Spent()

    def add(self, forward_passes: int, seconds: float) -> None:
        """Add to the cost. A store that cannot be written keeps none: costs are no part of a record's digest."""
        with suppress(OSError), locked(self._locks, str(self.path)):
            before = self.read()
            total = Spent(before.forward_passes + forward_passes, before.seconds + seconds)
            write_atomically(self.path, json.dumps(total._asdict()).encode())

    def remove(self) -> None:
        """The record is written and says it."""
        with suppress(OSError):
            self.path.unlink()
