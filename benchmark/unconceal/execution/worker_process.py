"""A worker's place: what it has loaded stays loaded from job to job."""

from __future__ import annotations

import time

from unconceal.errors import EnvironmentFault, UnconcealError
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.machine import give_back_memory, is_out_of_memory
from unconceal.evaluation.run import PROTOCOLS, measured, with_probes
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.generate.generator import Generator
from unconceal.progress import Silent


class BufferedProgress(Silent):
    """Shows nothing, and keeps what is said for whoever gave the job."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class WorkerProcess:
    """Does one job after the other; keeps the base, the judges, and the last submission's model."""

    def __init__(self, setting: EvaluationConfig) -> None:
        self.setting, self.heard = setting, BufferedProgress()
        self._evaluation: Evaluation | None = None
        self._loaded: tuple[tuple[str, str] | None, Generator] | None = None

    def ready(self) -> bool:
        """Answers once the process is up."""
        return True

    @property
    def evaluation(self) -> Evaluation:
        if self._evaluation is None:
            self._evaluation = self.setting.evaluation(self.heard)
        return self._evaluation

    def do(self, job: Job) -> Outcome:
        """The job's outcome; failures are told, not raised."""
        self.heard.lines = []
        try:
            outcome = self._cell(job) if job.kind == "cell" else self._record(job)
        except UnconcealError as error:
            outcome = Outcome("failed", error=error)
        except (Exception, MemoryError) as error:
            outcome = self._failed(error)
        return Outcome(**{**vars(outcome), "said": tuple(self.heard.lines)})

    def _failed(self, error: Exception) -> Outcome:
        if is_out_of_memory(error):
            self._loaded = None
            give_back_memory()
            return Outcome("memory")
        value = f"{type(error).__name__} ({' '.join(str(error).split())})"
        fault = EnvironmentFault(value, "was not expected in a worker", "run with --workers 1 and `unconceal --debug` for the traceback")
        return Outcome("failed", error=fault)

    def _cell(self, job: Job) -> Outcome:
        evaluation, shard = self._laid_out(job), job.shard
        assert job.pair is not None
        started = time.perf_counter()
        with evaluation.store.claim(shard, job.wait) as mine:
            if not mine:
                return Outcome("busy")
            worker = self._worker(job)
            before = worker.evaluations
            worker.make(shard, job.pair[0])
        return Outcome(evaluations=worker.evaluations - before, seconds=time.perf_counter() - started)

    def _worker(self, job: Job) -> Generator:
        """Loaded for the job's model; θ alone is part of whatever is loaded."""
        if self._loaded is None or job.model not in (None, self._loaded[0]):
            # What was loaded goes before the next comes: a card may hold one at a time.
            self._loaded = None
            protocol = PROTOCOLS[self.evaluation.protocol]
            worker = protocol.original(self.evaluation) if job.model is None else self._both(job)
            self._loaded = (job.model, worker)
        return self._loaded[1]

    def _both(self, job: Job) -> Generator:
        return PROTOCOLS[self.evaluation.protocol].worker(self.evaluation, job.task, job.submission)[0]

    def _record(self, job: Job) -> Outcome:
        evaluation = self._laid_out(job)
        self._loaded = None
        if job.kind == "probe":
            assert job.record is not None
            return Outcome(record=with_probes(evaluation, job.task, job.submission, job.record))
        return Outcome(record=measured(evaluation, job.task, job.submission, job.spent))

    def _laid_out(self, job: Job) -> Evaluation:
        evaluation = self.evaluation
        evaluation.batch, evaluation.batch_asked = job.batch, job.batch_asked
        return evaluation
