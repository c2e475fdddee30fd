"""The queue of evaluations. A job that was running when its process ended is queued again."""

from __future__ import annotations

import secrets
import sqlite3
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from unconceal.errors import UsageError, elided
from unconceal.service.database import Database
from unconceal.service.intake import Intake
from unconceal.service.submission_request import SubmissionRequest

JobState = Literal["queued", "running", "finished", "refused", "failed"]
"""``refused``: the checkpoint is not acceptable; ``failed``: the machine's fault."""
STATES: tuple[JobState, ...] = get_args(JobState)
MAX_LOSSES = 3
"""Worker processes that one job may end before it counts as failed."""


class QueuedJob(NamedTuple):
    """One evaluation. Times are seconds since 1970; ``fraction``: how much of ``stage`` is done."""

    number: int
    id: str
    account: str
    request: SubmissionRequest
    intake: Intake
    state: JobState
    submitted: float
    started: float | None
    finished: float | None
    stage: str
    fraction: float
    losses: int
    code: str
    message: str
    verdict: str


@dataclass(frozen=True)
class JobQueue:
    """The jobs of a service, in the order of their arrival.

    Attributes:
        max_open: queued or running jobs of one account.
        max_queue: queued or running jobs of all accounts.
    """

    database: Database
    max_open: int = 4
    max_queue: int = 100

    def submit(self, account: str, request: SubmissionRequest, intake: Intake) -> QueuedJob:
        """Queue a job; it is on disk when this returns.

        Raises:
            UsageError: the same measurement is queued, running or finished, or there are too many jobs.
        """
        job, now = secrets.token_hex(8), time.time()
        values = (job, account, request.key, request.model_dump_json(), intake.model_dump_json(), now)
        with self.database.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            open_jobs = "SELECT count(*), coalesce(sum(account = ?), 0) FROM jobs WHERE state IN ('queued', 'running')"
            total, own = connection.execute(open_jobs, (account,)).fetchone()
            if own >= self.max_open or total >= self.max_queue:
                value = f"{own} open jobs of {account}, {total} in all"
                limits = f"fill the queue, which takes {self.max_open} of one account and {self.max_queue} in all"
                raise UsageError("request.queue-full", value, limits, "send it again when some are finished")
            try:
                insert = "INSERT INTO jobs (id, account, key, request, intake, submitted) VALUES (?, ?, ?, ?, ?, ?)"
                connection.execute(insert, values)
            except sqlite3.IntegrityError as error:
                query = "SELECT id FROM jobs WHERE key = ? AND state IN ('queued', 'running', 'finished')"
                other = connection.execute(query, (request.key,)).fetchone()
                value = f"{request.reference} on {request.task} ({request.tier})"
                raise UsageError("request.duplicate", value, "is a job already", f"look at job {other['id']}") from error
        return self.job(job)

    def job(self, job: str) -> QueuedJob:
        """A job by its id.

        Raises:
            UsageError: there is none.
        """
        with self.database.connect() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise UsageError("request.not-found", "the job", "does not exist", "choose one of the list")
        return as_job(row)

    def jobs(self, limit: int = 100) -> list[QueuedJob]:
        """The newest jobs, the newest first."""
        with self.database.connect() as connection:
            return [as_job(row) for row in connection.execute("SELECT * FROM jobs ORDER BY number DESC LIMIT ?", (limit,))]

    def position(self, job: QueuedJob) -> int:
        """How many jobs are to be finished before this one begins; 0 unless it is queued."""
        if job.state != "queued":
            return 0
        query = "SELECT count(*) FROM jobs WHERE state = 'running' OR (state = 'queued' AND number < ?)"
        with self.database.connect() as connection:
            return int(connection.execute(query, (job.number,)).fetchone()[0])

    def requeue(self, count_losses: bool) -> None:
        """Queue again what was running: its worker is gone. Call it with the worker's lock held.

        Args:
            count_losses: whether the worker ended by itself, so that the job may be the cause.
        """
        with self.database.connect() as connection:
            reset = "UPDATE jobs SET state = 'queued', stage = '', fraction = 0, losses = losses + ? WHERE state = 'running'"
            connection.execute(reset, (int(count_losses),))
            message = f"the worker ended {MAX_LOSSES} times during this job: it is not tried again; ask the maintainer what ended it"
            lost = (
                "UPDATE jobs SET state = 'failed', code = 'worker.lost', message = ?, finished = ? WHERE state = 'queued' AND losses >= ?"
            )
            connection.execute(lost, (message, time.time(), MAX_LOSSES))

    def claim(self) -> QueuedJob | None:
        """The next job, now running; None if the queue is empty."""
        claim = """UPDATE jobs SET state = 'running', started = ? WHERE number = (
            SELECT min(number) FROM jobs WHERE state = 'queued') RETURNING *"""
        with self.database.connect() as connection:
            row = connection.execute(claim, (time.time(),)).fetchone()
        return None if row is None else as_job(row)

    def report_progress(self, job: str, stage: str, fraction: float) -> None:
        """Write how far a job is."""
        with self.database.connect() as connection:
            values = (elided(stage, 200), min(1.0, max(0.0, fraction)), job)
            connection.execute("UPDATE jobs SET stage = ?, fraction = ? WHERE id = ?", values)

    def finish(self, job: str, state: JobState, code: str = "", message: str = "", verdict: str = "") -> None:
        """Write how a job ended."""
        with self.database.connect() as connection:
            end = "UPDATE jobs SET state = ?, code = ?, message = ?, verdict = ?, finished = ?, stage = '', fraction = 1 WHERE id = ?"
            connection.execute(end, (state, code, message, verdict, time.time(), job))


def as_job(row: sqlite3.Row) -> QueuedJob:
    """A row of the database."""
    values = {name: row[name] for name in QueuedJob._fields}
    request, intake = SubmissionRequest.model_validate_json(row["request"]), Intake.model_validate_json(row["intake"])
    return QueuedJob(**{**values, "request": request, "intake": intake})
