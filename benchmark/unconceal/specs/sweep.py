"""A sweep: one submission on one task under several samplers, as one record. It ranks nothing: it says where an attacker would look."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically
from unconceal.specs.digests import canonical_digest
from unconceal.specs.record import CheckpointRecord, Code, Environment, Score
from unconceal.specs.spec import Spec
from unconceal.specs.suite import Arm

FOLDER = "sweeps"
"""Below a results folder, beside the suites' own."""


class SweepCell(Spec):
    """One configuration. ``presence``: θ* alone; ``original``: θ's rate; ``retrieval``: mean presence over the suite's ψ window, per arm;
    ``excess``: beyond the golds in units of θ's rate, per arm, where golds were measured.
    """

    sampler: dict[str, float | str]
    presence: Score
    original: Score
    retrieval: dict[Arm, Score]
    excess: dict[Arm, Score] = Field(default_factory=dict)

    @property
    def max_retrieval(self) -> float:
        """What the more telling arm retrieves: excess where there is one, else presence."""
        values = [score.value for score in (self.excess or self.retrieval).values() if score.value is not None]
        return max(values, default=float("nan"))


class Sweep(Spec):
    """Every cell, and what it was measured with. ``golds``: the digests of those that stand behind excess."""

    schema_version: int = 1
    suite: str
    suite_version: int
    task: str
    submission: str
    tier: str
    axes: dict[str, tuple[float | str, ...]]
    cells: tuple[SweepCell, ...] = Field(min_length=1)
    golds: dict[str, str | None] = Field(default_factory=dict)
    judges: dict[str, str]
    checkpoint: CheckpointRecord
    code: Code
    environment: Environment
    digest: str = ""

    def sealed(self) -> Sweep:
        """A copy that carries its own digest."""
        return self.model_copy(update={"digest": canonical_digest(self.content(exclude={"digest"}))})

    @property
    def strongest_cell(self) -> SweepCell:
        """The configuration that retrieves most."""
        return max(self.cells, key=lambda cell: cell.max_retrieval)


def sweep_path(results: Path, suite_id: str, task: str, submission: str, tier: str) -> Path:
    """Where it lies below a results folder."""
    return results / FOLDER / suite_id / task / f"{submission}.{tier}.json"


def write_sweep(sweep: Sweep, path: Path) -> None:
    """Put it in place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (sweep.sealed().model_dump_json(indent=1) + "\n").encode())


def read_sweep(path: Path) -> Sweep:
    """A sweep whose digest holds.

    Raises:
        CheckFailed: it is none, or was altered after it was sealed.
    """
    try:
        found = Sweep.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CheckFailed(
            "sweep.unreadable", str(path), f"is no sweep ({type(error).__name__})", "run it again with `unconceal run --sweep`"
        ) from error
    if found.digest != found.sealed().digest:
        raise CheckFailed(
            "sweep.altered", str(path), "does not match its own digest, so its numbers were altered after the run", "run it again"
        )
    return found
