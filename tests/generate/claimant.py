"""Another process that holds a claim."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unconceal.generate.locks import locked


@contextmanager
def other_process(file: Path, name: str) -> Iterator[int]:
    """A process that has claimed a thing, and keeps it until it ends."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        with locked(file, name):
            os.write(write_end, b"x")
            time.sleep(600)
    os.read(read_end, 1)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read_end)
        os.close(write_end)
