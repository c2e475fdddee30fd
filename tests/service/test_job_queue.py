"""The queue: order, limits, duplicates, and that no job is lost when processes are killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codes import raises
from service.stub import INTAKE, request, run_by_name
from unconceal.generate.locks import locked
from unconceal.service.database import Database
from unconceal.service.job_queue import MAX_LOSSES, JobQueue
from unconceal.service.service_config import ServiceConfig
from unconceal.service.worker import LOCK, execute

N_JOBS, N_KILLS, SECONDS = 6, 4, 150
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def queue(tmp_path: Path) -> JobQueue:
    return JobQueue(Database(tmp_path), max_open=3, max_queue=5)


def test_jobs_are_taken_in_the_order_of_their_arrival(queue: JobQueue) -> None:
    jobs = [queue.submit("jane", request(number), INTAKE) for number in range(3)]
    assert [queue.position(job) for job in jobs] == [0, 1, 2]
    first = queue.claim()
    assert first is not None and first.id == jobs[0].id and first.state == "running" and first.request == request(0)
    assert queue.position(queue.job(jobs[2].id)) == 2
    queue.report_progress(first.id, "generating", 0.25)
    assert (queue.job(first.id).stage, queue.job(first.id).fraction) == ("generating", 0.25)
    queue.finish(first.id, "finished", verdict="forgets")
    assert queue.job(first.id).verdict == "forgets" and queue.job(first.id).finished is not None


def test_limits_and_duplicates(queue: JobQueue) -> None:
    first = queue.submit("jane", request(0), INTAKE)
    with raises("request.duplicate"):
        queue.submit("joe", request(0, name="another-name"), INTAKE)
    for number in (1, 2):
        queue.submit("jane", request(number), INTAKE)
    with raises("request.queue-full"):
        queue.submit("jane", request(3), INTAKE)
    for number in (3, 4):
        queue.submit("joe", request(number), INTAKE)
    with raises("request.queue-full"):
        queue.submit("jim", request(5), INTAKE)
    queue.finish(first.id, "failed", "environment.out-of-memory", "memory: …")
    assert queue.submit("jane", request(0), INTAKE).id != first.id, "what failed may be sent again"
    with raises("request.not-found"):
        queue.job("0" * 16)


@pytest.mark.parametrize(
    ("name", "state", "code"),
    [("good", "finished", ""), ("refused", "refused", "checkpoint.no-change"), ("unexpected", "failed", "environment.unexpected")],
)
def test_how_a_job_ends_is_written_in_one_line(queue: JobQueue, tmp_path: Path, name: str, state: str, code: str) -> None:
    queue.submit("jane", request(0, name=name), INTAKE)
    job = queue.claim()
    assert job is not None
    execute(ServiceConfig(tmp_path), queue, job, run_by_name)
    ended = queue.job(job.id)
    assert (ended.state, ended.code) == (state, code) and "\n" not in ended.message


def test_a_job_that_ends_its_worker_is_not_tried_forever(queue: JobQueue) -> None:
    job = queue.submit("jane", request(), INTAKE)
    for _ in range(MAX_LOSSES - 1):
        queue.claim()
        queue.requeue(count_losses=True)
        assert queue.job(job.id).state == "queued"
    queue.claim()
    queue.requeue(count_losses=False)
    assert queue.job(job.id).state == "queued", "the end of the service is not the job's fault"
    queue.claim()
    queue.requeue(count_losses=True)
    assert (queue.job(job.id).state, queue.job(job.id).code) == ("failed", "worker.lost")


def wait_for(queue: JobQueue, n_finished: int, deadline: float) -> None:
    while sum(job.state == "finished" for job in queue.jobs()) < n_finished and time.monotonic() < deadline:
        time.sleep(0.1)


def test_no_job_is_lost_when_the_service_is_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL to the service at random moments, sometimes before its worker has begun, sometimes within a job."""
    queue, rng = JobQueue(Database(tmp_path), max_open=N_JOBS), random.Random(1)
    deadline = time.monotonic() + SECONDS
    for number in range(N_JOBS):
        queue.submit("jane", request(number), INTAKE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "service.stub", str(tmp_path)]
    for kill in range(N_KILLS + 1):
        process = subprocess.Popen(command, env=environment)
        try:
            if kill < N_KILLS:
                wait_for(queue, kill, deadline)
                time.sleep(rng.uniform(0, 0.6))
            else:
                wait_for(queue, N_JOBS, deadline)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert [job.state for job in queue.jobs()] == ["finished"] * N_JOBS
    assert all(job.losses == 0 for job in queue.jobs())
    with locked(tmp_path / LOCK, "worker"):  # the killed services' workers end by themselves
        lines = (tmp_path / "log.txt").read_text().splitlines()
    ends = [line for line in lines if line.startswith("end ")]
    assert set(ends) == {f"end {job.id}" for job in queue.jobs()}
