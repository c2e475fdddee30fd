"""Turns every failure into one line with its code: JSON below ``/api``, a small page elsewhere."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from unconceal.errors import UnconcealError, elided, error_line
from unconceal.escape import escape_html, one_line

STATUSES = {
    "request.not-signed-in": 401,
    "request.bad-token": 401,
    "request.not-confirmed": 403,
    "request.not-found": 404,
    "request.duplicate": 409,
    "request.too-many": 429,
    "request.queue-full": 429,
}
"""HTTP status by code; others by the exit code of their class."""
BY_EXIT_CODE = {1: 422, 2: 400, 3: 503}
LOG = logging.getLogger("unconceal.web")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="/assets/web.css"></head>
<body><main><h1>{title}</h1><p>{line} <code>[{code}]</code></p><p><a href="/">Back to the first page</a></p></main></body></html>
"""


def handle_errors(app: FastAPI) -> None:
    """Register the handlers of all failures."""

    @app.exception_handler(UnconcealError)
    async def expected(request: Request, error: UnconcealError) -> Response:
        return error_response(request, status_of(error), error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        for mistake in first.get("ctx", {}).get("mistakes", ()):
            return error_response(request, 422, mistake.code, error_line(mistake.value, mistake.consequence, mistake.remedy))
        location = ".".join(str(part) for part in first["loc"])
        return error_response(request, 422, "request.invalid", f"{location}: {first['msg']}; correct the request")

    @app.exception_handler(HTTPException)
    async def protocol(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return error_response(request, error.status_code, f"http.{phrase}", str(error.detail))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_response(request, 500, "environment.unexpected", "the service: failed here; tell its maintainer when it happened")


def status_of(error: UnconcealError) -> int:
    """HTTP status of an expected failure."""
    return STATUSES.get(error.code, BY_EXIT_CODE[error.exit_code])


def error_response(request: Request, status: int, code: str, line: str) -> Response:
    """One line, with its code."""
    line = elided(one_line(line), 400)
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"code": code, "error": line}, status)
    title = f"{status} {HTTPStatus(status).phrase}"
    return HTMLResponse(PAGE.format(title=escape_html(title), line=escape_html(line), code=escape_html(code)), status)
