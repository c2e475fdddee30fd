"""Workers as whoever gives them jobs sees them, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from unconceal.execution.job import Job, Outcome


class Worker(Protocol):
    """A worker that waits for a job. ``model``: what its last job loaded."""

    model: tuple[str, str] | None


class Executor(Protocol):
    """Workers somewhere. What one is given, :meth:`next` returns once, with its outcome, or None if the worker was lost over it."""

    @property
    def workers(self) -> int: ...

    def idle(self) -> Sequence[Worker]: ...

    def submit(self, hand: Worker, job: Job) -> None: ...

    def next(self) -> tuple[Job, Outcome | None] | None:
        """Waits for one; None: a worker came free, or none is there yet."""

    def close(self) -> None: ...
