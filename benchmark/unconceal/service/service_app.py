"""The service's application: its worker, pages and API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from unconceal.paths import DataRoot
from unconceal.service.accounts import Accounts
from unconceal.service.authentication import Authentication
from unconceal.service.database import Database
from unconceal.service.evaluate_job import evaluate_job
from unconceal.service.intake import check_intake
from unconceal.service.job_queue import JobQueue, QueuedJob
from unconceal.service.json_api import add_api
from unconceal.service.pages import add_pages
from unconceal.service.service_config import ServiceConfig
from unconceal.service.submission_request import SubmissionRequest
from unconceal.service.worker import RunJob, ServiceWorker
from unconceal.web.application import new_application
from unconceal.web.forms import load_key


@dataclass(frozen=True)
class Service:
    """What pages and API share."""

    config: ServiceConfig
    root: DataRoot
    queue: JobQueue
    authentication: Authentication
    secure: bool

    def submit(self, account: str, request: SubmissionRequest) -> QueuedJob:
        """Check a request and queue it.

        Raises:
            UnconcealError: it is not acceptable, the same job exists, the queue is full, or the Hub cannot be reached.
        """
        self.authentication.submissions.check(account)
        return self.queue.submit(account, request, check_intake(request, self.root, self.config.max_gigabytes))


def service_application(
    config: ServiceConfig, hosts: Sequence[str] = (), secure: bool = False, run_job: RunJob = evaluate_job, with_worker: bool = True
) -> FastAPI:
    """The application.

    Args:
        config: settings.
        hosts: host names that it answers to, besides this machine's.
        secure: whether browsers reach it by HTTPS.
        run_job: evaluates a job, in the worker process.
        with_worker: whether a worker is started with it.
    """
    database = Database(config.data)
    authentication = Authentication(Accounts(database), load_key(config.data / ".key"))
    queue = JobQueue(database, config.max_open, config.max_queue)
    service = Service(config, DataRoot.find(config.root), queue, authentication, secure)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = ServiceWorker(config, run_job)
        if with_worker:
            worker.start()
        try:
            yield
        finally:
            worker.stop()

    app = new_application("unconceal serve", hosts, lifespan)
    add_api(app, service)
    add_pages(app, service)
    return app
