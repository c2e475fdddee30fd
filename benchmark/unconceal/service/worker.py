"""The worker process: takes one job after another and survives the end of the service, of itself, and of the machine."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from unconceal.errors import CheckFailed, UnconcealError, UsageError
from unconceal.execution.parent_process import end_with_parent
from unconceal.faults import as_fault
from unconceal.generate.locks import locked
from unconceal.progress import Progress, Stage
from unconceal.service.database import Database
from unconceal.service.job_queue import JobQueue, QueuedJob
from unconceal.service.service_config import ServiceConfig

POLL_SECONDS, PROGRESS_SECONDS, RESTART_SECONDS = 0.5, 0.5, 2.0
LOCK = "worker.lock"
RunJob = Callable[[ServiceConfig, QueuedJob, Progress], str]
"""Evaluates a job and returns its verdict."""


@dataclass
class QueueStage:
    """A stage whose progress stands in the queue."""

    queue: JobQueue
    job: str
    name: str
    total: float
    done: float = 0.0
    written: float = 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount
        if time.monotonic() - self.written > PROGRESS_SECONDS:
            self.queue.report_progress(self.job, self.name, self.done / max(self.total, 1e-9))
            self.written = time.monotonic()


@dataclass
class QueueProgress:
    """Progress of a job, for its page."""

    queue: JobQueue
    job: str

    def stage(self, name: str, total: float) -> Stage:
        self.queue.report_progress(self.job, name, 0)
        return QueueStage(self.queue, self.job, name, total)

    def log(self, line: str) -> None: ...


def work(config: ServiceConfig, run_job: RunJob, count_losses: bool = False) -> NoReturn:
    """Execute jobs until the process ends. A second worker waits until the first has ended."""
    end_with_parent()
    queue = JobQueue(Database(config.data), config.max_open, config.max_queue)
    with locked(config.data / LOCK, "worker"):
        queue.requeue(count_losses)
        while True:
            job = queue.claim()
            if job is None:
                time.sleep(POLL_SECONDS)
            else:
                execute(config, queue, job, run_job)


def execute(config: ServiceConfig, queue: JobQueue, job: QueuedJob, run_job: RunJob) -> None:
    """Execute one job; every failure of it is written down in one line."""
    try:
        verdict = run_job(config, job, QueueProgress(queue, job.id))
    except Exception as error:
        failure = error if isinstance(error, UnconcealError) else as_fault(error)
        refused = isinstance(failure, CheckFailed | UsageError)
        queue.finish(job.id, "refused" if refused else "failed", failure.code, str(failure))
    else:
        queue.finish(job.id, "finished", verdict=verdict)


@dataclass
class ServiceWorker:
    """Keeps one worker process running while the service runs."""

    config: ServiceConfig
    run_job: RunJob
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        """Start it in the background."""
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it. A job that it executes is queued again by the next one."""
        self._stopped.set()
        if self._process is not None:
            self._process.kill()
        if self._thread is not None:
            self._thread.join(10)

    def _supervise(self) -> None:
        context, lost = multiprocessing.get_context("spawn"), False
        while not self._stopped.is_set():
            # No daemon: a worker reads weights in a child process of its own, and :func:`end_with_parent` ends it.
            self._process = context.Process(target=work, args=(self.config, self.run_job, lost))
            self._process.start()
            self._process.join()
            lost = True
            self._stopped.wait(RESTART_SECONDS)
