"""Progress for people: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

PLAIN_SECONDS = 15.0
"""Least time between two plain lines of one stage."""


class Stage(Protocol):
    """One piece of work that says how far it is."""

    def advance(self, amount: float = 1) -> None: ...


class Progress(Protocol):
    """Where stages are shown, and lines said between them."""

    def stage(self, name: str, total: float) -> Stage: ...

    def log(self, line: str) -> None: ...


class Silent:
    """Shows nothing: for tests and for library use."""

    def stage(self, what: str, total: float) -> Stage:
        return self

    def advance(self, amount: float = 1) -> None: ...

    def log(self, line: str) -> None: ...


class PlainStage:
    """A line when it begins, at most one every few seconds, one when it ends."""

    def __init__(self, what: str, total: float) -> None:
        self.what, self.total, self.done = what, max(total, 1e-9), 0.0
        self.started = self.said = time.monotonic()
        print(f"{what} …", file=sys.stderr, flush=True)

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        now = time.monotonic()
        finished = self.done >= self.total
        if now - self.said > PLAIN_SECONDS or (finished and now - self.started > 2):
            left = (now - self.started) * (self.total / self.done - 1) if self.done else 0
            rest = "" if finished else f", {left:.0f} s left"
            print(f"{self.what} {min(1.0, self.done / self.total):4.0%}{rest}", file=sys.stderr, flush=True)
            self.said = now


class Plain:
    """Plain lines on standard error."""

    def stage(self, what: str, total: float) -> Stage:
        return PlainStage(what, total)

    def log(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars if standard error is a terminal, plain lines otherwise."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    share = TextColumn("{task.percentage:>3.0f}%")
    columns = (TextColumn("{task.description}"), BarColumn(), share, TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:

        class BarStage:
            def __init__(self, what: str, total: float) -> None:
                self.task = bars.add_task(what, total=max(total, 1e-9))

            def advance(self, amount: float = 1) -> None:
                bars.advance(self.task, amount)

        class Rich:
            def stage(self, what: str, total: float) -> Stage:
                return BarStage(what, total)

            def log(self, line: str) -> None:
                bars.console.print(line)

        yield Rich()


@contextmanager
def hide_library_progress() -> Iterator[None]:
    """Without the progress bars of diffusers and transformers: loading takes a moment, and our own bars say what is done."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries: list[Any] = [diffusers_logging, transformers_logging]
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
