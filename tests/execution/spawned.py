"""A run that starts two processes, says their numbers, and waits to be killed: ``python spawned.py late``."""

from __future__ import annotations

import multiprocessing
import sys
import time

from unconceal.execution.local_processes import serve
from unconceal.execution.parent_process import end_with_parent
from unconceal.sandbox.child import in_child


def at_work() -> None:
    """Watches, and is busy."""
    end_with_parent()
    time.sleep(600)


def late() -> None:
    """Begins to watch when its parent is gone."""
    time.sleep(2)
    at_work()


def starting() -> None:
    """A worker that imports what it needs."""
    serve(multiprocessing.Pipe()[1], None)  # type: ignore[arg-type]


def reading() -> None:
    """Looks at a stranger's file in a child of its own."""
    end_with_parent()
    in_child("a file", lambda: time.sleep(50))


if __name__ == "__main__":
    processes = [multiprocessing.get_context("spawn").Process(target=globals()[sys.argv[1]]) for _ in range(2)]
    for process in processes:
        process.start()
    time.sleep(1)
    print(*(process.pid for process in processes), flush=True)
    time.sleep(600)
