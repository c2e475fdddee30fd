"""Forms: read without uploads, and accepted only with the token that the form's own page carried."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.responses import Response

from unconceal.errors import UsageError
from unconceal.files import write_atomically

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 32
COOKIE_PATTERN = r"[A-Za-z0-9_-]{43}"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        UsageError: it is of another type, malformed, or has a field twice.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM_TYPE:
        raise UsageError("request.bad-form", f"content type {content_type!r}", "is no form of this service", f"send {FORM_TYPE}")
    try:
        pairs = parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise UsageError("request.bad-form", "the form", "cannot be read", "send it from its page") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UsageError("request.bad-form", "a field", "stands twice, so one would be lost", "send each field once")
    return fields


def new_secret() -> str:
    """A random text of 256 bits, for cookies and tokens."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """SHA-256 of a random secret, in hex. What is stored does not let anybody in."""
    return hashlib.sha256(secret.encode()).hexdigest()


def load_key(path: Path) -> bytes:
    """The key of CSRF tokens, made on first use and readable by its owner only."""
    if not path.exists():
        write_atomically(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()


def csrf_token(key: bytes, cookie: str) -> str:
    """The token of all forms shown to one browser session."""
    return hmac.new(key, cookie.encode(), hashlib.sha256).hexdigest()


def check_csrf(key: bytes, cookie: str | None, token: str) -> None:
    """Check that a form was sent from a page that was shown to this browser.

    Raises:
        UsageError: the token is missing or another one.
    """
    if cookie is None or not hmac.compare_digest(csrf_token(key, cookie).encode(), token.encode()):
        remedy = "open the page again and send its form"
        raise UsageError("request.not-confirmed", "the form", "does not come from a page of this session, so it is not accepted", remedy)


def set_cookie(response: Response, name: str, value: str, secure: bool, max_age: int) -> None:
    """A cookie that no script reads and no other site sends."""
    response.set_cookie(name, value, max_age=max_age, httponly=True, samesite="strict", secure=secure, path="/")
