"""Progress display: bars with the remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from unconceal.escape import escape_terminal

PLAIN_SECONDS = 15.0
"""Minimum time between two plain lines of one stage."""


class Stage(Protocol):
    """One stage of the work, with its progress."""

    def advance(self, amount: float = 1) -> None: ...


class Progress(Protocol):
    """Displays stages, and log lines between them."""

    def stage(self, name: str, total: float) -> Stage: ...

    def log(self, line: str) -> None: ...


class Silent:
    """Displays nothing; for tests and library use."""

    def stage(self, name: str, total: float) -> Stage:
        return self

    def advance(self, amount: float = 1) -> None: ...

    def log(self, line: str) -> None: ...


class PlainStage:
    """A line at the start, at most one every ``PLAIN_SECONDS``, and one at the end."""

    def __init__(self, name: str, total: float) -> None:
        self.name, self.total, self.done = name, max(total, 1e-9), 0.0
        self.started = self.last_line = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        now = time.monotonic()
        finished = self.done >= self.total
        if now - self.last_line > PLAIN_SECONDS or (finished and now - self.started > 2):
            left = (now - self.started) * (self.total / self.done - 1) if self.done else 0
            rest = "" if finished else f", {left:.0f} s left"
            print(f"{self.name} {min(1.0, self.done / self.total):4.0%}{rest}", file=sys.stderr, flush=True)
            self.last_line = now


class Plain:
    """Plain lines on standard error."""

    def stage(self, name: str, total: float) -> Stage:
        return PlainStage(name, total)

    def log(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars if standard error is a terminal, else plain lines."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    # Bars are drawn with escape sequences, which the command line's own stream escapes.
    terminal = getattr(sys.stderr, "stream", sys.stderr)
    share = TextColumn("{task.percentage:>3.0f}%")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), share, TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(file=terminal)) as bars:

        class BarStage:
            def __init__(self, name: str, total: float) -> None:
                self.task = bars.add_task(escape_terminal(name), total=max(total, 1e-9))

            def advance(self, amount: float = 1) -> None:
                bars.advance(self.task, amount)

        class Rich:
            def stage(self, name: str, total: float) -> Stage:
                return BarStage(name, total)

            def log(self, line: str) -> None:
                bars.console.print(escape_terminal(line), markup=False)

        yield Rich()


@contextmanager
def hide_library_progress() -> Iterator[None]:
    """Disable the progress bars of diffusers and transformers, which would interrupt this module's own."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries: list[Any] = [diffusers_logging, transformers_logging]
    enabled = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in enabled:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in enabled:
            library.enable_progress_bar()
