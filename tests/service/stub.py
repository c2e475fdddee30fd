"""Stand-ins for a job's evaluation, importable by worker processes, and a service of them that is killed again and again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.progress import Progress
from unconceal.service.intake import Intake
from unconceal.service.job_queue import QueuedJob
from unconceal.service.service_config import ServiceConfig
from unconceal.service.submission_request import SubmissionRequest
from unconceal.service.worker import ServiceWorker

INTAKE = Intake(files={"star.safetensors": 1000})
COMMIT = "c" * 40


def request(number: int = 0, **changes: str) -> SubmissionRequest:
    """A valid request; another number is another checkpoint."""
    fields = {"reference": f"someone/erased@{number:040x}/star.safetensors", "suite": "tiny", "task": "object/star", "tier": "quick"}
    fields |= {"name": "my-method", "title": "My method", "description": "It erases."}
    return SubmissionRequest.model_validate(fields | changes)


def run_stub(config: ServiceConfig, job: QueuedJob, progress: Progress) -> str:
    """Work of half a second, in steps; appends a line when it begins and when it ends."""
    log = config.data / "log.txt"
    with log.open("a") as file:
        file.write(f"begin {job.id}\n")
    stage = progress.stage("evaluating", 5)
    for _ in range(5):
        time.sleep(0.1)
        stage.advance()
    with log.open("a") as file:
        file.write(f"end {job.id}\n")
    return "forgets"


def run_by_name(config: ServiceConfig, job: QueuedJob, progress: Progress) -> str:
    """Ends as the job's name says."""
    if job.request.name == "refused":
        raise CheckFailed("checkpoint.no-change", "the checkpoint", "changes\nnothing", "name the right file")
    if job.request.name == "unexpected":
        raise ZeroDivisionError("a fault")
    if job.request.name == "kills-worker":
        os._exit(9)
    return "forgets"


def serve_forever(folder: Path) -> None:
    """A worker under its supervisor, until this process is killed."""
    ServiceWorker(ServiceConfig(folder), run_stub).start()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    # Imported under its own name, so that worker processes find the same function.
    from service import stub

    stub.serve_forever(Path(sys.argv[1]))
