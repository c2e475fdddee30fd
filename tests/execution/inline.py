"""An executor whose workers share this process, in an order and with faults that a test decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.worker_process import WorkerProcess

Fault = Callable[[Job, int], Outcome | bool]
"""Called with a job and the number of jobs before it. True: its worker is lost; an outcome: replaces its own; False: no fault."""


@dataclass
class InlineWorker:
    model: tuple[str, str] | None = None
    job: Job | None = None


@dataclass
class Inline:
    config: EvaluationConfig
    count: int
    seed: int = 0
    fault: Fault = lambda job, finished: False
    submitted: list[Job] = field(default_factory=list)
    finished: int = 0

    def __post_init__(self) -> None:
        self.process, self.handles = WorkerProcess(self.config), [InlineWorker() for _ in range(self.count)]
        self.random = random.Random(self.seed)

    @property
    def workers(self) -> int:
        return self.count

    def idle(self) -> Sequence[InlineWorker]:
        return [worker for worker in self.handles if worker.job is None]

    def submit(self, worker: Worker, job: Job) -> None:
        assert isinstance(worker, InlineWorker) and worker.job is None
        worker.job, worker.model = job, job.model_after(worker.model)
        self.submitted.append(job)

    def next(self) -> tuple[Job, Outcome | None] | None:
        worker = self.random.choice([worker for worker in self.handles if worker.job is not None])
        job, worker.job = worker.job, None
        assert job is not None
        fault = self.fault(job, self.finished)
        self.finished += 1
        if fault is True:
            return job, None
        return job, self.process.execute(job) if fault is False else fault

    def close(self) -> None: ...
