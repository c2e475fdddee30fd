"""Ends Ray's agents on this machine when the run that started them was killed; by themselves they live on for a minute.

They watch their raylet, but then try for 60 s, which no setting changes, to report its end to a server that is gone, too. The guard is a
process that waits for the end of a pipe, which the run alone holds open: it needs no polling, and no process id can be mistaken.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROCESSES, RAYLET = Path("/proc"), "raylet"


class ProcessId(NamedTuple):
    """A process; ``started``: in clock ticks since the machine's start, since numbers are used again."""

    pid: int
    started: int


class Stat(NamedTuple):
    """What ``/proc/<pid>/stat`` says."""

    name: str
    parent: int
    started: int


def start_guard() -> subprocess.Popen[str] | None:
    """Start the guard of this process's raylet; None where the system lists no processes. Closing its input ends it."""
    agents = list(children_of_raylet(os.getpid()))
    if not agents:
        return None
    command = [sys.executable, str(Path(__file__).resolve()), *(f"{agent.pid}:{agent.started}" for agent in agents)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)


def children_of_raylet(pid: int) -> Iterator[ProcessId]:
    """The agents and workers of the raylet that a process has started."""
    stats = {int(path.name): stat for path in PROCESSES.glob("[0-9]*") if (stat := read_stat(int(path.name)))}
    for child, stat in stats.items():
        raylet = stats.get(stat.parent)
        if raylet is not None and raylet.name == RAYLET and raylet.parent == pid:
            yield ProcessId(child, stat.started)


def read_stat(pid: int) -> Stat | None:
    """A process's entry; None if there is no such process."""
    try:
        text = (PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name may hold brackets and spaces.
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Stat(name, int(fields[1]), int(fields[19]))


def end(process: ProcessId) -> None:
    """Kill a process if it is still the same one."""
    stat = read_stat(process.pid)
    if stat is not None and stat.started == process.started:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.stdin.read()
    for argument in sys.argv[1:]:
        end(ProcessId(*map(int, argument.split(":"))))
