"""The one scheduler of runs, rescoring and sweeps: splits a run into jobs, gives them to idle workers, collects the results.

Shards come first: θ's trajectories, which all submissions of a task share, then the continuations of each θ*. As soon as the last shard
of a (task, submission) is stored, it is measured. Jobs are created as they are needed, so that memory does not grow with the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from unconceal.errors import EnvironmentFault
from unconceal.estimate.forecast import forecast
from unconceal.evaluation.evaluation import Evaluation, check_limits, checkpoint_of
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.execution.executor import Executor, Worker
from unconceal.execution.in_process import InProcess
from unconceal.execution.job import Job, JobKind, Outcome
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.identity import Shard
from unconceal.generate.plan import ShardPair
from unconceal.generate.spent import SpentFile
from unconceal.specs.record import Record, Timing, check_writable
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task

if TYPE_CHECKING:
    from unconceal.evaluation.run_sweep import Axes
    from unconceal.specs.sweep import Sweep

Evaluations = Sequence[tuple[Task, Submission]]
MAX_ATTEMPTS = 3
"""Workers that may be lost over one job before the run stops: then the job itself ends them."""


def schedule(evaluation: Evaluation, pairs: Evaluations, probes: bool = False, executor: Executor | None = None) -> list[Record]:
    """Evaluate every (task, submission), golds first; finished work is reused.

    Args:
        evaluation: the settings of the run.
        pairs: what to evaluate.
        probes: whether to measure neighbours and attacks, too.
        executor: who executes the jobs; by default this process.

    Returns:
        One record with its verdict for each pair, golds first.

    Raises:
        UnconcealError: a spec, a checkpoint or the machine is at fault.
    """
    scheduler = Scheduler(evaluation, golds_first(pairs), executor or InProcess(evaluation), probes=probes)
    return with_verdicts(evaluation, scheduler.run())


def schedule_rescoring(evaluation: Evaluation, pairs: Evaluations, executor: Executor | None = None) -> list[Record]:
    """Compute every score again from stored images, golds first, and then the verdicts.

    Raises:
        CheckFailed: the store lacks images.
    """
    scheduler = Scheduler(evaluation, golds_first(pairs), executor or InProcess(evaluation), "rescore")
    return with_verdicts(evaluation, scheduler.run())


def schedule_sweeps(evaluation: Evaluation, pairs: Evaluations, axes: Axes, executor: Executor | None = None) -> list[Sweep]:
    """Measure every (task, submission) with every sampler that the axes describe, in the order of the pairs."""
    results = Scheduler(evaluation, pairs, executor or InProcess(evaluation), "sweep", axes=axes).run()
    return [result for _, result in results if not isinstance(result, Record)]


def golds_first(pairs: Iterable[tuple[Task, Submission]]) -> list[tuple[Task, Submission]]:
    """The order of a run."""
    return sorted(pairs, key=lambda pair: not pair[1].is_gold)


def with_verdicts(evaluation: Evaluation, results: Sequence[tuple[Task, Record | Sweep]]) -> list[Record]:
    """The records, each compared with the gold records that exist now, where the protocol has verdicts."""
    update = PROTOCOLS[evaluation.procedure].update_verdict
    records = [(task, record) for task, record in results if isinstance(record, Record)]
    return [update(evaluation, task, record) if update else record for task, record in records]


@dataclass
class PendingEvaluation:
    """A (task, submission) in progress: shards still to generate, and the cost of those that are stored."""

    task: Task
    submission: Submission
    spent: SpentFile
    shards: int = 0


@dataclass
class Scheduler:
    """The state of one run."""

    evaluation: Evaluation
    pairs: Evaluations
    executor: Executor
    kind: Literal["measure", "rescore", "sweep"] = "measure"
    probes: bool = False
    axes: Axes | None = None
    ready: deque[Job] = field(default_factory=deque)
    pending: dict[int, PendingEvaluation] = field(default_factory=dict)
    unopened: deque[int] = field(default_factory=deque)
    blocked: dict[Shard, list[Job]] = field(default_factory=dict)
    """Jobs by the trajectory that they need and that is not stored yet."""
    continued: set[Shard] = field(default_factory=set)
    """θ's own continuations that are requested, which all submissions of a task share."""
    running: int = 0
    results: dict[int, Record | Sweep] = field(default_factory=dict)

    def run(self) -> list[tuple[Task, Record | Sweep]]:
        """Execute everything; results in the order of the pairs."""
        workers, progress = self.executor.workers, self.evaluation.progress
        total = (
            forecast(self.evaluation, self.pairs, self.probes, scheduled_only=True).total.forward_passes if self.kind == "measure" else 0
        )
        if total:
            self.generation_stage = progress.stage(f"generating, {workers} workers" if workers > 1 else "generating", total)
        self.evaluation_stage = progress.stage(f"{len(self.pairs)} evaluations", len(self.pairs))
        self.unopened.extend(range(len(self.pairs)))
        self.evaluation.store.remove_stale_temporaries()
        while len(self.results) < len(self.pairs):
            self._open()
            self._submit()
            finished = self.executor.next() if len(self.results) < len(self.pairs) else None
            if finished is not None:
                self.running -= 1
                self._finish(*finished)
        return [(task, self.results[index]) for index, (task, _) in enumerate(self.pairs)]

    def _open(self) -> None:
        """Create the jobs of further pairs while few jobs are ready."""
        while self.unopened and len(self.ready) < 2 * self.executor.workers:
            index = self.unopened.popleft()
            task, submission = self.pairs[index]
            self.pending[index] = PendingEvaluation(task, submission, self._spent(task, submission))
            if self.kind != "measure":
                self.ready.append(self._job(self.kind, index, axes=self.axes))
                continue
            record = self.evaluation.stored_record(task, submission)
            if record is not None:
                self.evaluation.progress.log(f"{submission.name} on {task.id}: record exists, not measured again")
            else:
                check_limits(task)
                check_writable(self.evaluation.record_path(task, submission.name))
            shards = list(self._missing_shards(task, submission, record))
            if not shards:
                self._measure(index, record)
            for pair in shards:
                self._add_shard(index, pair)
            if shards and not self.pending[index].shards:
                self._measure(index, record)  # others generate all that it lacks

    def _spent(self, task: Task, submission: Submission) -> SpentFile:
        digest = self.evaluation.weights_digest(task, submission) if self.kind == "measure" else ""
        return SpentFile(self.evaluation.store.root, self.evaluation.record_path(task, submission.name), digest or "")

    def _job(self, kind: JobKind, index: int, shards: ShardPair | None = None, axes: Axes | None = None) -> Job:
        task, submission = self.pairs[index]
        return Job(kind, index, task, submission, self.evaluation.batch_size, self.evaluation.requested_batch_size, shards, axes=axes)

    def _missing_shards(self, task: Task, submission: Submission, record: Record | None) -> Iterator[ShardPair]:
        """The shards that the store lacks; a missing trajectory is also listed alone."""
        evaluation = self.evaluation
        digest = evaluation.weights_digest(task, submission) or evaluation.suite.base.digest
        pairs = [] if record else PROTOCOLS[evaluation.procedure].shards(evaluation, task, digest)
        if self.probes and evaluation.protocol == "standard" and (record is None or record.probe_results is None):
            from unconceal.probing.run_probes import plan_probes

            pairs = [*pairs, *plan_probes(evaluation, task, digest).always_generated]
        # The largest first: a lack of memory shows within the first minute.
        for trajectory, handover in sorted(pairs, key=lambda pair: -count_forward_passes(pair[1] or pair[0])):
            if trajectory not in evaluation.store:
                yield trajectory, None
            if handover is not None and handover not in evaluation.store:
                yield trajectory, handover

    def _add_shard(self, index: int, pair: ShardPair) -> None:
        trajectory, handover = pair
        if handover is None and trajectory in self.blocked:
            return  # another submission of the task has requested it
        if handover is None:
            self.blocked[trajectory] = []
        elif handover.is_originals:
            if handover in self.continued:
                return
            self.continued.add(handover)
        self.pending[index].shards += 1
        job = self._job("shard", index, pair)
        if handover is not None and trajectory in self.blocked:
            self.blocked[trajectory].append(job)
        else:
            self.ready.append(job)

    def _submit(self) -> None:
        """Give every idle worker a job."""
        for worker in self.executor.idle():
            if not self.ready:
                return
            job = self._next_job(worker)
            if job.wait and self.running:
                continue
            self.ready.remove(job)
            self.executor.submit(worker, job)
            self.running += 1

    def _next_job(self, worker: Worker) -> Job:
        """A job whose model the worker has loaded, else the first; a job that waits for another run only if there is no other."""
        available = [job for job in self.ready if not job.wait]
        loaded = (job for job in available if job.model_after(worker.model) == worker.model)
        return next(loaded, next(iter(available), self.ready[0]))

    def _finish(self, job: Job, outcome: Outcome | None) -> None:
        for message in outcome.messages if outcome else ():
            self.evaluation.progress.log(message)
        if outcome and outcome.error is not None:
            raise outcome.error
        if job.kind == "shard" and job.batch_size != self.evaluation.batch_size:
            return  # the run has halved its batch size since
        if outcome is None:
            self._retry(job)
        elif outcome.state == "busy":
            # Another run generates it: finish everything else first, then wait for it.
            self.ready.append(replace(job, wait=True))
        elif outcome.state == "out-of-memory":
            self._halve_batch(job)
        elif job.kind == "shard":
            self._shard_stored(job, outcome)
        else:
            assert outcome.result is not None
            self._result(job, outcome.result)

    def _retry(self, job: Job) -> None:
        name = f"{job.kind} of {job.submission.name} on {job.task.id}"
        if job.attempts + 1 >= MAX_ATTEMPTS:
            consequence = f"ended {MAX_ATTEMPTS} workers, so the run stopped; finished work is kept"
            raise EnvironmentFault("worker.lost", name, consequence, "see what ended them")
        self.evaluation.progress.log(f"a worker was lost while it executed {name}; the job is repeated")
        self.ready.appendleft(job.retried())

    def _shard_stored(self, job: Job, outcome: Outcome) -> None:
        rule = checkpoint_of(job.submission, job.task).inference
        self.generation_stage.advance(count_forward_passes(job.shard, rule))
        pending = self.pending[job.index]
        pending.shards -= 1
        pending.spent.add(outcome.forward_passes, outcome.seconds)
        if job.needs_original_only:
            self.ready.extend(self.blocked.pop(job.shard, ()))
        if not pending.shards:
            self._measure(job.index, self.evaluation.stored_record(job.task, job.submission))

    def _measure(self, index: int, record: Record | None) -> None:
        """All shards are stored: measure, or go on with the record that exists."""
        pending, job = self.pending[index], self._job("measure", index)
        if record is not None:
            self._result(job, record)
            return
        spent = pending.spent.read()
        timing = Timing(seconds={"generate": spent.seconds}, forward_passes=spent.forward_passes)
        self.ready.appendleft(replace(job, timing=timing))

    def _result(self, job: Job, result: Record | Sweep) -> None:
        if job.kind == "measure" and self.probes and isinstance(result, Record):
            self.ready.appendleft(replace(job, kind="probe", record=result))
            return
        self.results[job.index] = result
        self.pending.pop(job.index).spent.remove()
        self.evaluation_stage.advance()

    def _halve_batch(self, job: Job) -> None:
        """Continue with half the batch size: shards that are not measured yet are planned again, since their identity changes."""
        if job.batch_size == self.evaluation.batch_size:
            self.evaluation.halve_batch()
        if job.kind in ("probe", "sweep"):
            batch_size, requested = self.evaluation.batch_size, self.evaluation.requested_batch_size
            self.ready.appendleft(replace(job, batch_size=batch_size, requested_batch_size=requested))
        others = [waiting for waiting in self.ready if waiting.kind != "shard"]
        measured = {waiting.index for waiting in others}
        unfinished = [index for index, pending in self.pending.items() if pending.shards and index not in measured]
        self.ready = deque(others)
        self.blocked.clear()
        self.continued.clear()
        self.unopened.extendleft(reversed([job.index] * (job.kind == "measure") + unfinished))
