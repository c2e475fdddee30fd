"""Executes jobs one after another in one process and keeps the models loaded between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from unconceal.evaluation.environment import free_cached_memory, is_out_of_memory
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.execution.job import Job, JobKind, Outcome

if TYPE_CHECKING:
    from unconceal.checkpoints.apply import AppliedCheckpoint
    from unconceal.evaluation.evaluation import Evaluation, ProcedureName
    from unconceal.generate.generator import Generator


class LoadedSubmission(NamedTuple):
    """The models of one (task, submission)."""

    procedure: ProcedureName
    model: tuple[str, str]
    generator: Generator
    applied: AppliedCheckpoint


class JobRunner:
    """Keeps the base model, the judges and the last submission's model loaded."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self._loaded: LoadedSubmission | None = None

    def execute(self, job: Job) -> Outcome:
        """Execute one job; running out of memory is an outcome, every other error is raised."""
        with job_batch_size(self.evaluation, job):
            try:
                return EXECUTE[job.kind](self, job)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or job.kind == "rescore":
                    raise
        self._loaded = None
        free_cached_memory()
        return Outcome("out-of-memory")

    def _generate_shard(self, job: Job) -> Outcome:
        assert job.shards is not None
        started = time.perf_counter()
        with self.evaluation.store.lock(job.shard, job.wait) as acquired:
            if not acquired:
                return Outcome("busy")
            generator = self._load(job).generator
            before = generator.forward_passes
            generator.generate(job.shard, job.shards[0])
        return Outcome(forward_passes=generator.forward_passes - before, seconds=time.perf_counter() - started)

    def _measure(self, job: Job) -> Outcome:
        loaded = self._load(job)
        measure = PROTOCOLS[loaded.procedure].measure
        return Outcome(result=measure(self.evaluation, job.task, job.submission, loaded.generator, loaded.applied, job.timing))

    def _probe(self, job: Job) -> Outcome:
        from unconceal.probing.run_probes import has_probe_results, score_probes

        assert job.record is not None
        if has_probe_results(self.evaluation, job.task, job.record):
            self.evaluation.progress.log(f"{job.submission.name} on {job.task.id}: probe results exist, not measured again")
            return Outcome(result=job.record)
        loaded = self._load(job)
        return Outcome(result=score_probes(self.evaluation, job.task, job.record, loaded.generator, loaded.applied))

    def _rescore(self, job: Job) -> Outcome:
        from unconceal.evaluation.standard import rescore

        return Outcome(result=rescore(self.evaluation, job.task, job.submission))

    def _sweep(self, job: Job) -> Outcome:
        from unconceal.evaluation.run_sweep import sweep

        assert job.axes is not None
        self._loaded = None
        return Outcome(result=sweep(self.evaluation, job.task, job.submission, job.axes))

    def _load(self, job: Job) -> LoadedSubmission:
        """The job's models. A shard of θ alone uses whatever is loaded."""
        name: ProcedureName = "standard" if job.kind == "probe" else self.evaluation.procedure
        loaded = self._loaded
        if loaded is None or loaded.procedure != name or not (job.needs_original_only or loaded.model == job.model):
            # Release the previous model first: a GPU may hold only one.
            self._loaded = loaded = None
            generator, applied = PROTOCOLS[name].load(self.evaluation, job.task, job.submission)
            self._loaded = loaded = LoadedSubmission(name, job.model, generator, applied)
        return loaded


EXECUTE: Mapping[JobKind, Callable[[JobRunner, Job], Outcome]] = {
    "shard": JobRunner._generate_shard,
    "measure": JobRunner._measure,
    "probe": JobRunner._probe,
    "rescore": JobRunner._rescore,
    "sweep": JobRunner._sweep,
}


@contextmanager
def job_batch_size(evaluation: Evaluation, job: Job) -> Iterator[None]:
    """Use the job's batch size: a job that was created before the run halved its batch size keeps the larger one."""
    before = evaluation.batch_size, evaluation.requested_batch_size
    evaluation.batch_size, evaluation.requested_batch_size = job.batch_size, job.requested_batch_size
    try:
        yield
    finally:
        evaluation.batch_size, evaluation.requested_batch_size = before
