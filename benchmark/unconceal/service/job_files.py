"""What the service says and sends of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response

from unconceal.errors import UsageError
from unconceal.files import is_below
from unconceal.service.evaluate_job import PULL_REQUEST, REPORT, published_files
from unconceal.service.job_queue import JobQueue, QueuedJob
from unconceal.service.service_config import ServiceConfig

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""The report page is one file with its style and images inside, without scripts."""


def job_details(config: ServiceConfig, queue: JobQueue, job: QueuedJob) -> dict[str, Any]:
    """A job as plain JSON."""
    request, files = job.request, job.intake.files
    values = {"id": job.id, "account": job.account, "state": job.state, "position": queue.position(job)}
    values |= request.model_dump(include={"reference", "suite", "task", "tier", "name", "title"})
    values |= {"download_bytes": sum(files.values()), "downloads": sorted(files), "stage": job.stage, "fraction": round(job.fraction, 4)}
    values |= {"verdict": job.verdict, "code": job.code, "message": job.message}
    values |= {name: iso_time(getattr(job, name)) for name in ("submitted", "started", "finished")}
    return values | {"files": list(published_files(config.job_folder(job.id))) if job.state == "finished" else []}


def iso_time(seconds: float | None) -> str | None:
    """ISO 8601, UTC, to the second."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def send_file(config: ServiceConfig, job: QueuedJob, name: str) -> Response:
    """One of the files for a pull request.

    Raises:
        UsageError: the job has no file of this name.
    """
    folder = config.job_folder(job.id)
    # The name is compared with those that exist and is never made into a path by itself.
    if job.state != "finished" or name not in set(published_files(folder)):
        raise UsageError("request.not-found", "the file", "does not exist", "choose one of the job's list")
    return download(folder / PULL_REQUEST, folder / PULL_REQUEST / name)


def send_report(config: ServiceConfig, job: QueuedJob) -> Response:
    """The report page of a finished job.

    Raises:
        UsageError: there is none.
    """
    path = config.job_folder(job.id) / REPORT
    if job.state != "finished" or not path.is_file():
        raise UsageError("request.not-found", "the report", "does not exist yet", "wait until the job is finished")
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})


def download(folder: Path, path: Path) -> Response:
    """A file as an attachment, which no browser shows as a page."""
    if not is_below(path, folder):
        raise UsageError("request.not-found", "the file", "does not exist", "choose one of the job's list")
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)
