"""The default executor: every job runs in this process, so that errors keep their traceback and progress is shown directly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unconceal.execution.executor import Worker
from unconceal.execution.job import Job, Outcome
from unconceal.execution.job_runner import JobRunner

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation


class InProcess:
    """An executor that is its own only worker."""

    workers = 1

    def __init__(self, evaluation: Evaluation) -> None:
        self.runner = JobRunner(evaluation)
        self.model: tuple[str, str] | None = None
        self.job: Job | None = None

    def idle(self) -> Sequence[Worker]:
        return [self] if self.job is None else []

    def submit(self, worker: Worker, job: Job) -> None:
        self.job, self.model = job, job.model_after(self.model)

    def next(self) -> tuple[Job, Outcome | None]:
        """Execute the submitted job."""
        job, self.job = self.job, None
        assert job is not None
        return job, self.runner.execute(job)

    def close(self) -> None:
        """There is nothing to stop."""
