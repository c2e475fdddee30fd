"""What reaches the terminal: text without control characters, in any encoding, and silence after the reader has gone."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TextIO

from unconceal.escape import escape_terminal


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


class EscapedStream:
    """A text stream whose text is escaped, see :func:`unconceal.escape.escape_terminal`. ``stream``: the stream itself, for bars."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write escaped text."""
        return self.stream.write(escape_terminal(text))

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # click would write to it where it mistrusts the stream's encoding.
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Standard output and error as escaped streams; letters that their encoding lacks are replaced."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stdout, sys.stderr = (EscapedStream(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in streams:
            discard_if_closed(stream)


def discard_if_closed(stream: TextIO) -> None:
    """Point a stream at nowhere if its reader has gone, so that the interpreter's last flush stays silent."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise :class:`Terminated`, so that locks, workers and temporary files are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
