"""The web pages: sign in, submit, the queue, and a job with its progress, report and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from unconceal.errors import UnconcealError, UsageError
from unconceal.service.accounts import SESSION_SECONDS
from unconceal.service.authentication import COOKIE
from unconceal.service.job_files import job_details, send_file, send_report
from unconceal.service.json_api import open_tasks
from unconceal.service.submission_request import SubmissionRequest
from unconceal.specs.problems import mistakes_from_errors
from unconceal.web.application import templates
from unconceal.web.error_responses import status_of
from unconceal.web.forms import csrf_token, new_secret, set_cookie

if TYPE_CHECKING:
    from unconceal.service.service_app import Service

TEMPLATES = templates("unconceal.service")
FIELDS = ("reference", "name", "title", "description", "paper", "task", "tier")


def add_pages(app: FastAPI, service: Service) -> None:
    """Add the routes of pages."""
    add_account_pages(app, service)
    add_job_pages(app, service)


def page(service: Service, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page whose forms carry the token of its session."""
    values = {"csrf": csrf_token(service.authentication.key, request.cookies.get(COOKIE, "")), "error": "", **values}
    return HTMLResponse(TEMPLATES.get_template(template).render(**values), status)


def form_page(service: Service, request: Request, account: str, fields: dict[str, str], error: str = "", status: int = 200) -> HTMLResponse:
    """The page with the form and the queue; ``fields``: what was typed."""
    jobs, tasks = [job_details(service.config, service.queue, job) for job in service.queue.jobs()], open_tasks(service)
    tiers = dict.fromkeys(tier for task in tasks for tier in task["tiers"])
    values = {"account": account, "jobs": jobs, "tasks": tasks, "tiers": tiers, "fields": dict.fromkeys(FIELDS, "") | fields}
    return page(service, request, "queue.html.j2", status, error=error, max_gigabytes=service.config.max_gigabytes, **values)


def add_account_pages(app: FastAPI, service: Service) -> None:
    """The first page, signing in and signing out."""
    authentication = service.authentication

    @app.get("/")
    def first(request: Request) -> Response:
        account = authentication.accounts.of_session(request.cookies.get(COOKIE, ""))
        if account is not None:
            authentication.requests.check(account)
            return form_page(service, request, account, {})
        cookie = new_secret()  # the sign-in form needs a token, too
        values = {"csrf": csrf_token(authentication.key, cookie), "error": ""}
        response = HTMLResponse(TEMPLATES.get_template("sign_in.html.j2").render(**values))
        set_cookie(response, COOKIE, cookie, service.secure, 3600)
        return response

    @app.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        fields = await authentication.form(request)
        try:
            account = authentication.sign_in(request, fields.get("token", "").strip())
        except UsageError as error:
            return page(service, request, "sign_in.html.j2", status_of(error), error=str(error))
        response = RedirectResponse("/", 303)
        # Another cookie than before: whoever knew the old one is not signed in with it.
        set_cookie(response, COOKIE, authentication.accounts.open_session(account), service.secure, SESSION_SECONDS)
        return response

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        await authentication.form(request)
        authentication.accounts.close_session(request.cookies[COOKIE])
        return RedirectResponse("/", 303)


def add_job_pages(app: FastAPI, service: Service) -> None:
    """Submitting, and a job's page with its status, report and files."""
    authentication, queue, config = service.authentication, service.queue, service.config

    @app.post("/jobs")
    async def submit(request: Request) -> Response:
        account, fields = authentication.by_session(request), await authentication.form(request)
        try:
            job = await run_in_threadpool(service.submit, account, request_of(fields))
        except UnconcealError as error:
            return form_page(service, request, account, fields, f"{error} [{error.code}]", status_of(error))
        return RedirectResponse(f"/jobs/{job.id}", 303)

    @app.get("/jobs/{job}")
    def job(request: Request, job: str) -> Response:
        account = authentication.by_session(request)
        return page(service, request, "job.html.j2", account=account, job=job_details(config, queue, queue.job(job)))

    @app.get("/jobs/{job}/status")
    def status(request: Request, job: str) -> dict[str, Any]:
        authentication.by_session(request)
        return job_details(config, queue, queue.job(job))

    @app.get("/jobs/{job}/report")
    def report(request: Request, job: str) -> Response:
        authentication.by_session(request)
        return send_report(config, queue.job(job))

    @app.get("/jobs/{job}/files/{name:path}")
    def file(request: Request, job: str, name: str) -> Response:
        authentication.by_session(request)
        return send_file(config, queue.job(job), name)


def request_of(fields: dict[str, str]) -> SubmissionRequest:
    """The request that a form describes; its first mistake is raised in one line.

    Raises:
        UsageError: a field is missing, unknown or wrong.
    """
    values = {name: value.strip() for name, value in fields.items() if value.strip()}
    suite, _, task = values.pop("task", "").partition(":")
    try:
        return SubmissionRequest.model_validate(values | {"suite": suite, "task": task})
    except ValidationError as error:
        mistake = next(iter(mistakes_from_errors(SubmissionRequest, error.errors(include_url=False))))
        value = f"{'.'.join(map(str, mistake.location))}: {mistake.value}"
        raise UsageError(mistake.code, value, mistake.consequence, mistake.remedy) from error
