"""Limits how often something may happen per client."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from fastapi import Request

from unconceal.errors import UsageError

MAX_CLIENTS = 10_000
"""Clients that are remembered; the one that was not seen for longest is forgotten first."""


@dataclass
class RateLimit:
    """At most ``count`` events in ``seconds`` per client."""

    what: str
    count: int
    seconds: float
    events: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def check(self, client: str) -> None:
        """Count one event.

        Raises:
            UsageError: the limit is reached.
        """
        now = time.monotonic()
        times = self.events.setdefault(client, deque())
        self.events.move_to_end(client)
        while times and times[0] <= now - self.seconds:
            times.popleft()
        if len(times) >= self.count:
            consequence = f"are limited to {self.count} in {self.seconds:g} s"
            raise UsageError("request.too-many", self.what, consequence, f"try again in {times[0] + self.seconds - now:.0f} s")
        times.append(now)
        if len(self.events) > MAX_CLIENTS:
            self.events.popitem(last=False)


def client_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else "unknown"
