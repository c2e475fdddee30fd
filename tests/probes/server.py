"""A server on loopback that speaks as much of the OpenAI chat protocol as the real client asks of it.

``POST /v1/chat/completions`` answers with the next of ``replies``: a text, or one of the failures below. ``seen``: every request's body;
``headers``: its headers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Replied:
    """A reply as a server gives it. ``status`` other than 200: an error that says ``text``; ``body``: in place of a completion."""

    text: str | None = None
    finish: str | None = "stop"
    refusal: str | None = None
    status: int = 200
    body: bytes | None = None
    wait: float = 0
    dropped: bool = False


@dataclass
class Server:
    """``refuses_schema``: 400 where a response format is asked for. The last reply is repeated."""

    replies: list[Replied] = field(default_factory=list)
    model: str = "served-model"
    refuses_schema: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    address: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def next(self) -> Replied:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def serving(*replies: Replied | str) -> Iterator[Server]:
    """The server at ``address`` while it lasts."""
    served = Server([reply if isinstance(reply, Replied) else Replied(reply) for reply in replies])

    class Handler(_Handler):
        server_state = served

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield served
    finally:
        served.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        server = self.server_state
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.path != "/v1/chat/completions":
            return self.fail(404, "Not Found")
        server.requests.append(request)
        if server.refuses_schema and "response_format" in request:
            return self.fail(400, "response_format is not supported")
        reply = server.next()
        server.closing.wait(reply.wait)
        if reply.status != 200:
            return self.fail(reply.status, reply.text or "no")
        if reply.body is not None:
            return self.send(200, reply.body)
        message = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
        choice = {"index": 0, "finish_reason": reply.finish, "message": message, "logprobs": None}
        completion = {"id": "x", "object": "chat.completion", "created": 0, "model": server.model, "choices": [choice], "usage": None}
        self.send(200, json.dumps(completion).encode(), reply.dropped)

    def fail(self, status: int, message: str) -> None:
        # Servers repeat the key they were given, which nothing of ours may pass on.
        message = f"{message}: {self.headers.get('Authorization', '')}"
        self.send(status, json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode())

    def send(self, status: int, body: bytes, dropped: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if dropped else body)
        if dropped:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
