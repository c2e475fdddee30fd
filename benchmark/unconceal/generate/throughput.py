"""The speed of this machine, measured while it works and kept beside the store, for estimates of the run time (no torch)."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unconceal.files import write_atomically
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.store import THROUGHPUT
from unconceal.specs.digests import canonical_digest

WINDOW_SECONDS = 3600.0
"""Seconds of work that count in full: older measurements are weighted down to this."""


@dataclass(frozen=True)
class Work:
    """A kind of work on one machine. ``unit``: ``rows`` (forward passes) or ``judged`` (evaluations); ``subject``: the model or tier."""

    unit: str
    subject: str
    compute: ComputeConfig
    machine: str = ""

    @classmethod
    def on_this_machine(cls, unit: str, subject: str, compute: ComputeConfig) -> Work:
        return cls(unit, subject, compute, platform.node())

    def identity(self) -> dict[str, Any]:
        """As JSON; the keys are those of every existing store."""
        layout = self.compute.identity() | {"options": self.compute.optimizations}
        return {"what": self.unit, "of": self.subject, "layout": layout, "machine": self.machine}

    def path(self, store: Path) -> Path:
        """The file of its measurements."""
        return store / THROUGHPUT / f"{canonical_digest(self.identity())}.json"


@dataclass(frozen=True)
class Throughput:
    """``amount`` of work done in ``seconds`` by one process."""

    amount: float
    seconds: float

    @property
    def per_second(self) -> float:
        return self.amount / self.seconds

    def updated(self, amount: float, seconds: float) -> Throughput:
        """With another measurement; the older ones count for at most :data:`WINDOW_SECONDS`."""
        weight = min(1.0, WINDOW_SECONDS / self.seconds)
        return Throughput(self.amount * weight + amount, self.seconds * weight + seconds)


def read_throughput(store: Path, work: Work) -> Throughput | None:
    """What was measured of such work; None if nothing was."""
    try:
        values = json.loads(work.path(store).read_bytes())
        throughput = Throughput(float(values["amount"]), float(values["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return throughput if throughput.amount > 0 and throughput.seconds > 0 else None


def add_measurement(store: Path, work: Work, amount: float, seconds: float) -> None:
    """Add a measurement. Of two concurrent ones one may be lost, and an unwritable store keeps none: both only affect estimates."""
    if amount <= 0 or seconds <= 0:
        return
    before = read_throughput(store, work)
    throughput = before.updated(amount, seconds) if before else Throughput(amount, seconds)
    path = work.path(store)
    try:
        write_atomically(path, json.dumps({**work.identity(), **asdict(throughput)}).encode())
    except OSError:
        return
