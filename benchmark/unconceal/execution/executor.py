"""What an executor is: a set of workers that execute the jobs of a run. All executors produce the same records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from unconceal.execution.job import Job, Outcome


class Worker(Protocol):
    """Handle of one worker. ``model``: the (task, submission) that it has loaded."""

    model: tuple[str, str] | None


class Executor(Protocol):
    """A set of workers. :meth:`next` returns every submitted job exactly once."""

    @property
    def workers(self) -> int: ...

    def idle(self) -> Sequence[Worker]: ...

    def submit(self, worker: Worker, job: Job) -> None: ...

    def next(self) -> tuple[Job, Outcome | None] | None:
        """Wait for a job to finish.

        Returns:
            The job and its outcome, or the job and None if its worker was lost. None if only the set of idle workers has changed.
        """

    def close(self) -> None: ...
