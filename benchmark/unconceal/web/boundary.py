"""The outermost layer: bounds the size of a request and adds security headers to every answer."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16_384
"""Bytes of a request's body. Nobody uploads files: a request names what is on the Hub."""
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class BodyTooLarge(Exception):
    """A request's body is longer than it said, or than :data:`MAX_BODY`."""


class Boundary:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            await refuse(scope, receive, send_with_headers)
            return
        try:
            await self.app(scope, bounded(receive), send_with_headers)
        except BodyTooLarge:
            if not started:
                await refuse(scope, receive, send_with_headers)


def bounded(receive: Receive) -> Receive:
    """The same messages, until their bodies exceed :data:`MAX_BODY` together."""
    total = 0

    async def receive_bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            raise BodyTooLarge
        return message

    return receive_bounded


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 413 without reading the rest."""
    line = f"the request: is larger than {MAX_BODY} bytes; name files on the Hub instead of sending them"
    response = JSONResponse({"code": "request.too-large", "error": line}, 413, {"Connection": "close"})
    await response(scope, receive, send)
