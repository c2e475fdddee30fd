"""The HTTP API, for programs: JSON, authorized by a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from starlette.responses import Response

from unconceal.service.job_files import job_details, send_file, send_report
from unconceal.service.submission_request import SubmissionRequest
from unconceal.specs.loader import is_draft_suite, load_suite, task_files

if TYPE_CHECKING:
    from unconceal.service.service_app import Service


def add_api(app: FastAPI, service: Service) -> None:
    """Add the routes below ``/api``."""
    config, queue = service.config, service.queue
    signed_in = Depends(service.authentication.by_token)

    @app.get("/api/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/tasks")
    def tasks(account: str = signed_in) -> list[dict[str, Any]]:
        return open_tasks(service)

    @app.get("/api/jobs")
    def jobs(account: str = signed_in) -> list[dict[str, Any]]:
        return [job_details(config, queue, job) for job in queue.jobs()]

    @app.post("/api/jobs", status_code=201)
    def submit(body: SubmissionRequest, account: str = signed_in) -> dict[str, Any]:
        return job_details(config, queue, service.submit(account, body))

    @app.get("/api/jobs/{job}")
    def job(job: str, account: str = signed_in) -> dict[str, Any]:
        return job_details(config, queue, queue.job(job))

    @app.get("/api/jobs/{job}/report")
    def report(job: str, account: str = signed_in) -> Response:
        return send_report(config, queue.job(job))

    @app.get("/api/jobs/{job}/files/{name:path}")
    def file(job: str, name: str, account: str = signed_in) -> Response:
        return send_file(config, queue.job(job), name)


def open_tasks(service: Service) -> list[dict[str, Any]]:
    """Tasks that take submissions, with the tiers of their suites."""
    suites = dict.fromkeys(file.suite for file in task_files(service.root))
    tiers = {suite: list(load_suite(service.root, suite).tiers) for suite in suites if not is_draft_suite(service.root, suite)}
    return [{"suite": f.suite, "task": f.name, "tiers": tiers[f.suite]} for f in task_files(service.root) if f.suite in tiers]
