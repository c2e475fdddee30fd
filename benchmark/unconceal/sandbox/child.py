"""A forked child that does one piece of work: what crashes, hangs or fills the memory there costs only that piece.

Forking takes milliseconds, where a fresh interpreter would import torch for seconds. The child answers in JSON, never in a pickle.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError

GIB = 2**30
MAX_ANSWER_BYTES = 2**20
KINDS: dict[str, type[UnconcealError]] = {kind.__name__: kind for kind in (CheckFailed, UsageError, EnvironmentFault)}
LOOK_AGAIN = "look at how it was made, and export it again"

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl."""


@dataclass(frozen=True)
class Limits:
    """``seconds`` of time; ``memory`` in bytes, beyond what this process has already."""

    seconds: float = 60.0
    memory: int = GIB


def in_child(source: str, work: Callable[[], Any], limits: Limits | None = None) -> Any:
    """Do some work in a child process, and return its answer, which JSON can hold. Where there is no fork, it is done here.

    Args:
        source: the file of a stranger, for messages.
        work: it may read whatever this process has loaded; what it changes is lost.
        limits: of the child.

    Raises:
        UnconcealError: as the work raised it.
        CheckFailed: the work crashed, took too long, needed too much memory, or failed in a way that was not foreseen.
    """
    if not hasattr(os, "fork"):
        return work()
    limits = limits or Limits()
    parent, (reader, writer) = os.getpid(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _end_with(parent)
        _answer(writer, work, limits)
    os.close(writer)
    try:
        content, in_time = _read_answer(reader, limits.seconds)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not in_time:
        raise CheckFailed("sandbox.timeout", source, f"takes more than {limits.seconds:.0f} s to read, so it is not read", LOOK_AGAIN)
    try:
        answer = json.loads(content)
    except ValueError as error:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        value = f"{source}: reading it ended the process ({number})"
        raise CheckFailed("sandbox.crashed", value, "so it is not read", LOOK_AGAIN) from error
    return _opened(source, answer, limits)


def _opened(source: str, answer: dict[str, Any], limits: Limits) -> Any:
    if "memory" in answer:
        consequence = f"needs more than {limits.memory / GIB:.1f} GiB of memory to be read, so it is not read"
        raise CheckFailed("sandbox.memory", source, consequence, LOOK_AGAIN)
    if "unforeseen" in answer:
        raise CheckFailed("sandbox.failed", source, f"cannot be read ({answer['unforeseen']})", LOOK_AGAIN)
    if "error" in answer:
        kind, *parts = answer["error"]
        raise KINDS[kind](*parts)
    return answer["result"]


def _read_answer(reader: int, seconds: float) -> tuple[bytes, bool]:
    """What the child wrote until it ended, and whether it did so in time."""
    deadline, content = time.monotonic() + seconds, b""
    while len(content) <= MAX_ANSWER_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return content, False
        chunk = os.read(reader, 2**16)
        if not chunk:
            break
        content += chunk
    return content, True


def _answer(writer: int, work: Callable[[], Any], limits: Limits) -> NoReturn:
    """The child: it never returns, and leaves no file, no output and no core behind."""
    answer: dict[str, Any] = {}
    try:
        _enter(limits)
        try:
            answer = {"result": work()}
        except UnconcealError as error:
            kind = next(name for name, candidate in KINDS.items() if isinstance(error, candidate))
            answer = {"error": [kind, error.code, error.value, error.consequence, error.remedy]}
        except MemoryError:
            answer = {"memory": True}
        except BaseException as error:
            message = f"{type(error).__name__}: {' '.join(str(error)[:300].split())}"
            answer = {"memory": True} if "allocate memory" in message else {"unforeseen": message}
        os.write(writer, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _end_with(parent: int) -> None:
    """Have the system end this process with its parent, which may be killed."""
    import ctypes

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _enter(limits: Limits) -> None:
    import faulthandler
    import resource

    faulthandler.disable()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.seconds) + 1,) * 2)
    if (now := _address_space()) is not None:
        resource.setrlimit(resource.RLIMIT_AS, (now + limits.memory,) * 2)
    if (torch := sys.modules.get("torch")) is not None:
        # The threads of this process did not come along, and work that waits for them would never end.
        torch.set_num_threads(1)


def _address_space() -> int | None:
    """Bytes of address space of this process; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
