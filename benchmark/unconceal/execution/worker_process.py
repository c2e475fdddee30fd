"""A worker in a process of its own: failures become outcomes, and log lines travel back with them."""

from __future__ import annotations

from dataclasses import replace

from unconceal.errors import EnvironmentFault, UnconcealError
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.job_runner import JobRunner
from unconceal.progress import Silent


class BufferedProgress(Silent):
    """Shows nothing; keeps log lines for the process that submitted the job."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


class WorkerProcess:
    """Executes jobs for a scheduler in another process."""

    def __init__(self, config: EvaluationConfig) -> None:
        self.config, self.progress = config, BufferedProgress()
        self._runner: JobRunner | None = None

    def ready(self) -> bool:
        """Returns once the process is up."""
        return True

    def execute(self, job: Job) -> Outcome:
        """The job's outcome; no error is raised."""
        self.progress.lines = []
        try:
            if self._runner is None:
                self._runner = JobRunner(self.config.build(self.progress))
            outcome = self._runner.execute(job)
        except UnconcealError as error:
            outcome = Outcome("failed", error=error)
        except Exception as error:
            outcome = Outcome("failed", error=unexpected_error(error))
        return replace(outcome, messages=tuple(self.progress.lines))


def unexpected_error(error: Exception) -> EnvironmentFault:
    """One line for an error that a worker did not expect; its traceback stays in the worker."""
    value = f"{type(error).__name__} ({' '.join(str(error).split())})"
    remedy = "run with --workers 1 and `unconceal --debug` for the traceback"
    return EnvironmentFault("environment.unexpected", value, "was not expected in a worker", remedy)
