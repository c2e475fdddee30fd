"""Ends the processes of a Ray cluster on this machine when the run that started it was killed; some live on for a minute by themselves.

The guard is a process that waits for the end of a pipe, which the run alone holds open, so it needs no polling. It is started before Ray,
and finds Ray's processes by the log files that they write to: Ray names a session's folder after the process that began it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")
PASSES, PASS_SECONDS = 20, 0.2


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
    """Start the guard of a cluster that this process is about to start; None where the system lists no processes.

    Closing its input ends it, and what is left of the cluster.
    """
    if not PROCESSES.is_dir():
        return None
    command = [sys.executable, str(Path(__file__).resolve()), str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)


def session_processes(run: int) -> Iterator[ProcessId]:
    """The processes that write to the logs of the session that a run began, without the run itself."""
    log = re.compile(rf"/session_[\d_-]+_{run}/logs/")
    for path in PROCESSES.glob("[0-9]*"):
        number = int(path.name)
        if number in (run, os.getpid()) or (stat := read_stat(number)) is None:
            continue
        with suppress(OSError):
            if any(log.search(os.readlink(file)) and _is_written(path, file.name) for file in (path / "fd").iterdir()):
                yield ProcessId(number, stat.started)


def _is_written(process: Path, file: str) -> bool:
    """Whether a process opened a file to write to it; one that only looks at a log is not Ray's."""
    with suppress(OSError, ValueError, IndexError):
        flags = (process / "fdinfo" / file).read_text().partition("flags:")[2].split()[0]
        return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def end_session(run: int) -> None:
    """Kill the processes of a session, and those that they were about to start."""
    for _ in range(PASSES):
        found = list(session_processes(run))
        if not found:
            return
        for process in found:
            end(process)
        time.sleep(PASS_SECONDS)


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
    end_session(int(sys.argv[1]))
