"""Cuts a run into jobs, hands them to whoever is free, and puts the records together.

Cells first: θ's trajectories, which all submissions of a task share, then what each θ* makes of them; as soon as the last cell of a
(task, submission) is stored it is measured. Jobs are cut as they are needed, so that a thousand submissions take no more memory than one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from unconceal.errors import EnvironmentFault
from unconceal.estimate.forecast import forecast
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.run import PROTOCOLS, golds_first, settled
from unconceal.execution.executor import Executor, Worker
from unconceal.execution.job import Job, Outcome
from unconceal.generate.generator import rows_of
from unconceal.generate.identity import Shard
from unconceal.generate.plan import Pair
from unconceal.probing.run_probes import planned
from unconceal.specs.record import Record, Timing
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task

TRIES = 3
"""Workers that may be lost over one job before the run gives up: the job itself kills them then."""


def conduct(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], probes: bool, executor: Executor) -> list[Record]:
    """Measure every (task, submission) with an executor's workers; then read each against the golds, in this process."""
    return Run(evaluation, golds_first(pairs), probes, executor).records()


@dataclass
class PendingEvaluation:
    """A (task, submission) at work: cells to come, and what those that are stored have cost."""

    task: Task
    submission: Submission
    cells: int = 0
    evaluations: int = 0
    seconds: float = 0.0


@dataclass
class Run:
    """One run's state."""

    evaluation: Evaluation
    pairs: Sequence[tuple[Task, Submission]]
    probes: bool
    executor: Executor
    ready: deque[Job] = field(default_factory=deque)
    opened: dict[int, PendingEvaluation] = field(default_factory=dict)
    unopened: deque[int] = field(default_factory=deque)
    held: dict[Shard, list[Job]] = field(default_factory=dict)
    """Jobs that need a trajectory which is not stored yet."""
    at_work: int = 0
    found: dict[int, Record] = field(default_factory=dict)

    def records(self) -> list[Record]:
        """All of them, in the order of the pairs."""
        total = forecast(self.evaluation, self.pairs, self.probes).total
        workers, progress = self.executor.workers, self.evaluation.progress
        self.generating = progress.stage(f"generating, {workers} workers", total.rows)
        self.measuring = progress.stage(f"{len(self.pairs)} evaluations", len(self.pairs))
        self.unopened.extend(range(len(self.pairs)))
        while len(self.found) < len(self.pairs):
            self._open()
            self._hand_out()
            answer = self.executor.next() if len(self.found) < len(self.pairs) else None
            if answer is not None:
                self.at_work -= 1
                self._take(*answer)
        ordered = [(task, self.found[number]) for number, (task, _) in enumerate(self.pairs)]
        return [settled(self.evaluation, task, record) for task, record in ordered]

    def _open(self) -> None:
        """Cut further pairs into jobs, as long as few wait."""
        while self.unopened and len(self.ready) < 2 * self.executor.workers:
            number = self.unopened.popleft()
            task, submission = self.pairs[number]
            record = self.evaluation.stored(task, submission)
            if record is not None:
                self.evaluation.progress.say(f"{submission.name} on {task.id}: record found, not measured again")
            self.opened[number] = PendingEvaluation(task, submission)
            cells = list(self._cells(task, submission, record))
            if not cells:
                self._after_cells(number, record)
            for pair in cells:
                self._cut(number, pair)

    def _cells(self, task: Task, submission: Submission, record: Record | None) -> Iterator[Pair]:
        """What the store lacks: trajectories alone where they are missing, too."""
        evaluation = self.evaluation
        digest = evaluation.weights_digest(task, submission) or evaluation.suite.base.digest
        cells = [] if record else PROTOCOLS[evaluation.protocol].pairs(evaluation, task, digest)
        if self.probes and evaluation.protocol == "standard" and (record is None or record.probed is None):
            cells = [*cells, *planned(evaluation, task, digest).certain]
        # The largest first: where memory does not suffice, that shows in the first minute.
        for ours, theirs in sorted(cells, key=lambda pair: -rows_of(pair[1] or pair[0])):
            if ours not in evaluation.store:
                yield ours, None
            if theirs is not None and theirs not in evaluation.store:
                yield ours, theirs

    def _cut(self, number: int, pair: Pair) -> None:
        one, (ours, theirs) = self.opened[number], pair
        job = Job("cell", number, one.task, one.submission, self.evaluation.batch, self.evaluation.batch_asked, pair)
        if theirs is None and ours in self.held:
            return  # another submission of the task has asked for it
        if theirs is None:
            self.held[ours] = []
        one.cells += 1
        if theirs is not None and ours in self.held:
            self.held[ours].append(job)
        else:
            self.ready.append(job)

    def _hand_out(self) -> None:
        for hand in self.executor.idle():
            if not self.ready:
                return
            job = self._job_for(hand)
            if job.wait and self.at_work:
                continue
            self.ready.remove(job)
            self.executor.submit(hand, job)
            self.at_work += 1

    def _job_for(self, hand: Worker) -> Job:
        """One whose model the worker has loaded, else the first; one that has to wait for another run only if there is no other."""
        free = [job for job in self.ready if not job.wait]
        return next((job for job in free if job.model == hand.model), next(iter(free), self.ready[0]))

    def _take(self, job: Job, outcome: Outcome | None) -> None:
        for line in outcome.said if outcome else ():
            self.evaluation.progress.say(line)
        if outcome and outcome.error is not None:
            raise outcome.error
        if job.kind == "cell" and job.batch != self.evaluation.batch:
            return  # of a layout that was given up since
        if outcome is None:
            self._lost(job)
        elif outcome.state == "busy":
            # Another run is making it: everything else first, then wait for it.
            self.ready.append(replace(job, wait=True))
        elif outcome.state == "memory":
            self._halve(job)
        elif job.kind == "cell":
            self._stored(job, outcome)
        else:
            self._measured(job, outcome)

    def _lost(self, job: Job) -> None:
        if job.tries + 1 >= TRIES:
            value = f"{job.kind} of {job.submission.name} on {job.task.id}"
            raise EnvironmentFault(value, f"ended {TRIES} workers, so the run stopped; what is finished is kept", "see what killed them")
        self.evaluation.progress.say(f"a worker was lost over a {job.kind} of {job.submission.name} on {job.task.id}; it is done again")
        self.ready.appendleft(job.again())

    def _stored(self, job: Job, outcome: Outcome) -> None:
        self.generating.advance(rows_of(job.shard))
        one = self.opened[job.number]
        one.cells -= 1
        one.evaluations += outcome.evaluations
        one.seconds += outcome.seconds
        if job.shard.checkpoint is None:
            self.ready.extend(self.held.pop(job.shard, ()))
        if not one.cells:
            self._after_cells(job.number, None)

    def _after_cells(self, number: int, record: Record | None) -> None:
        """Measure; or probe what is measured already."""
        one = self.opened[number]
        if record is not None:
            self._measured(Job("measure", number, one.task, one.submission, self.evaluation.batch), Outcome(record=record))
            return
        spent = Timing(seconds={"generate": one.seconds}, denoiser_evaluations=one.evaluations)
        batch, asked = self.evaluation.batch, self.evaluation.batch_asked
        self.ready.appendleft(Job("measure", number, one.task, one.submission, batch, asked, spent=spent))

    def _measured(self, job: Job, outcome: Outcome) -> None:
        assert outcome.record is not None
        if job.kind == "measure" and self.probes:
            self.ready.appendleft(replace(job, kind="probe", record=outcome.record))
            return
        self.found[job.number] = outcome.record
        del self.opened[job.number]
        self.measuring.advance()

    def _halve(self, job: Job) -> None:
        """Go on with half the batch: all cells that are not measured yet are cut anew, since theirs is another identity now."""
        self.evaluation.halve_batch()
        begun = {waiting.number for waiting in self.ready if waiting.kind != "cell"}
        again = [number for number, one in self.opened.items() if one.cells and number not in begun]
        self.ready = deque(waiting for waiting in self.ready if waiting.kind != "cell")
        self.held.clear()
        self.unopened.extendleft(reversed(again))
