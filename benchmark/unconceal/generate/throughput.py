"""How fast this machine works, as it measured itself, kept beside the store so that a plan can say how long it will take (no torch)."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from unconceal.files import write_atomically
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.store import THROUGHPUT
from unconceal.specs.digests import canonical_digest

MEMORY = 3600.0
"""Seconds of work that count in full: what was measured longer ago fades."""


@dataclass(frozen=True)
class Work:
    """A kind of work on one machine. ``what``: rows of the denoiser, or evaluations judged; ``of``: the model, or the suite's tier."""

    what: str
    of: str
    layout: ComputeConfig
    machine: str = ""

    @classmethod
    def here(cls, what: str, of: str, layout: ComputeConfig) -> Work:
        """On the machine that asks."""
        return cls(what, of, layout, platform.node())

    def place(self, store: Path) -> Path:
        return store / THROUGHPUT / f"{canonical_digest(asdict(self))}.json"


@dataclass(frozen=True)
class Measured:
    """``amount`` of work done in ``seconds`` by one process."""

    amount: float
    seconds: float

    @property
    def rate(self) -> float:
        """Per second."""
        return self.amount / self.seconds

    def with_more(self, amount: float, seconds: float) -> Measured:
        """Both, the older faded to at most :data:`MEMORY` seconds."""
        kept = min(1.0, MEMORY / self.seconds)
        return Measured(self.amount * kept + amount, self.seconds * kept + seconds)


def measured(store: Path, work: Work) -> Measured | None:
    """What was measured of such work; None: nothing."""
    try:
        said = json.loads(work.place(store).read_bytes())
        found = Measured(float(said["amount"]), float(said["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.amount > 0 and found.seconds > 0 else None


def note(store: Path, work: Work, amount: float, seconds: float) -> None:
    """Add a measurement. Of two processes that do so at once one is lost, and where nothing can be written all are: no harm done."""
    if amount <= 0 or seconds <= 0:
        return
    before = measured(store, work)
    fresh = before.with_more(amount, seconds) if before else Measured(amount, seconds)
    place = work.place(store)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps({**asdict(work), **asdict(fresh)}).encode())
    except OSError:
        return
