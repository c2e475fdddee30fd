"""Sweeps: one submission on one task under several samplers. They are not ranked; they show the sampler that retrieves most."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed
from unconceal.files import read_regular_file, write_atomically
from unconceal.specs.digests import canonical_digest
from unconceal.specs.json_budget import json_excess
from unconceal.specs.record import MAX_RECORD_BYTES, CheckpointRecord, Code, Environment, Score, old_format_error
from unconceal.specs.spec import Name, Spec
from unconceal.specs.submission import TaskId
from unconceal.specs.suite import Arm

SWEEP_SCHEMA_VERSION: Literal[2] = 2
FOLDER = "sweeps"
"""Below a results folder, beside the suites' own."""


class SweepCell(Spec):
    """One sampler.

    Attributes:
        sampler: values that differ from the suite's.
        presence: rate of the concept in images by θ* alone.
        original: θ's rate.
        retrieval: mean presence over the suite's ψ window, per arm.
        excess: excess retrieval per arm, in units of θ's rate; empty without golds.
    """

    sampler: dict[str, float | str]
    presence: Score
    original: Score
    retrieval: dict[Arm, Score]
    excess: dict[Arm, Score] = Field(default_factory=dict)

    @property
    def max_retrieval(self) -> float:
        """Retrieval of the larger arm: excess if there are golds, else presence."""
        values = [score.value for score in (self.excess or self.retrieval).values() if score.value is not None]
        return max(values, default=float("nan"))


class Sweep(Spec):
    """All cells with their provenance. ``golds``: weights digests of the golds that the excess rests on, by name."""

    schema_version: Literal[2] = SWEEP_SCHEMA_VERSION
    suite: Name
    suite_version: int = Field(ge=0, le=1_000_000)
    task: TaskId
    submission: Name
    tier: Name
    axes: dict[str, tuple[float | str, ...]]
    cells: tuple[SweepCell, ...] = Field(min_length=1)
    golds: dict[str, str | None] = Field(default_factory=dict)
    judges: dict[str, str]
    checkpoint: CheckpointRecord
    code: Code
    environment: Environment
    digest: str = ""

    def sealed(self) -> Sweep:
        """A copy with its digest."""
        return self.model_copy(update={"digest": canonical_digest(self.content(exclude={"digest"}))})

    @property
    def strongest_cell(self) -> SweepCell:
        """The sampler that retrieves most."""
        return max(self.cells, key=lambda cell: cell.max_retrieval)


def sweep_path(results: Path, suite_id: str, task: str, submission: str, tier: str) -> Path:
    """File of a sweep below a results folder."""
    return results / FOLDER / suite_id / task / f"{submission}.{tier}.json"


def write_sweep(sweep: Sweep, path: Path) -> None:
    """Seal a sweep and write it atomically."""
    write_atomically(path, (sweep.sealed().model_dump_json(indent=1) + "\n").encode())


def read_sweep(path: Path) -> Sweep:
    """Read a sweep and check its digest.

    Raises:
        CheckFailed: the file is no sweep, is one of an older format, or was altered after it was sealed.
    """
    content = b""
    try:
        content = read_regular_file(path, MAX_RECORD_BYTES, follow_links=False)
        if excess := json_excess(content):
            raise CheckFailed("sweep.unreadable", str(path), f"holds {excess}, so it is not read", "run it again")
        sweep = Sweep.model_validate_json(content)
    except (OSError, ValidationError) as error:
        if old_format := old_format_error(path, content, SWEEP_SCHEMA_VERSION):
            raise old_format from error
        raise CheckFailed(
            "sweep.unreadable", str(path), f"is no sweep ({type(error).__name__})", "run it again with `unconceal run --sweep`"
        ) from error
    if sweep.digest != sweep.sealed().digest:
        raise CheckFailed(
            "sweep.altered", str(path), "does not match its own digest, so its numbers were altered after the run", "run it again"
        )
    return sweep
