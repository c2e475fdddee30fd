"""Processes of the system: which there are, and whether they still run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from unconceal.execution.ray_guard import ProcessId, read_stat


def is_running(pid: int) -> bool:
    """A zombie, whom nobody has waited for yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[ProcessId]:
    """The processes that a process has started, and theirs."""
    stats = {int(path.name): stat for path in Path("/proc").glob("[0-9]*") if (stat := read_stat(int(path.name)))}
    found = [ProcessId(child, stat.started) for child, stat in stats.items() if stat.parent == pid]
    return [*found, *(process for child in found for process in descendants(child.pid))]


def living(processes: list[ProcessId]) -> list[str]:
    """The names of those that have not ended; one that nobody waits for has."""
    states = [(process, read_stat(process.pid)) for process in processes]
    return [stat.name for process, stat in states if stat and stat.started == process.started and is_running(process.pid)]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False
