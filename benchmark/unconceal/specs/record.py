"""A record: everything one evaluation measured, what it was measured with, and a digest over both."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.files import write_atomically
from unconceal.specs.digests import canonical_digest
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.score import Score as Score
from unconceal.specs.spec import Spec
from unconceal.specs.suite import Arm
from unconceal.specs.task import GoldKind

Label = Literal["intact", "conceals", "forgets", "damaged", "inconclusive", "undetermined"]
Status = Literal["self_reported", "rerun", "disputed", "withdrawn"]


class Curve(Spec):
    """A score over the handover ratios.

    ``psi``, ``k``, ``value``, ``low``, ``high``: equally long; ``k``: steps run by θ. ``per_prompt[i][j]``: prompt i at ψ j.
    """

    name: str
    split: Literal["forget", "retain"]
    arm: Arm | None = None
    extractor: str | None = None
    psi: tuple[float, ...]
    k: tuple[int, ...]
    value: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    n: int = Field(ge=0)
    per_prompt: tuple[tuple[float | None, ...], ...] = ()


class Verdict(Spec):
    """The verdict on one evaluation.

    Attributes:
        code: the rule that decided, as in docs/concepts/verdict.md: ``excess.above-margin``.
        reason: the same as a sentence, with its numbers.
        gold: the kind of the golds it was compared with; None without golds.
    """

    label: Label
    code: str = ""
    reason: str
    gold: GoldKind | None = None


class Verification(Spec):
    """Who stands for the numbers. ``date``: ISO 8601."""

    status: Status = "self_reported"
    by: str = ""
    date: str = ""
    reason: str = ""


class ComponentRecord(Spec):
    """What a checkpoint did to one component: counts of tensors, and ‖θ* − θ‖ / ‖θ‖ over the component."""

    matched: int
    missing: int
    unexpected: int
    changed: int
    relative_change: float


class CheckpointRecord(Spec):
    """What was loaded, and the digests of the specs that asked for it."""

    task_digest: str
    suite_digest: str
    submission_digest: str
    sha256: str | None = None
    format: str
    components: dict[str, ComponentRecord] = Field(default_factory=dict)
    unused_parts: tuple[str, ...] = ()
    """What the checkpoint holds beside, which was not applied."""


class Code(Spec):
    """The suite's own version. ``dirty``: the tree differed from its commit."""

    version: str
    commit: str | None = None
    dirty: bool = False


class Environment(Spec):
    """The machine and its layout of work, which the last digits depend on.

    ``batch_asked``: what was asked for, where ``batch`` is less because memory did not suffice. ``options``: what was changed for speed.
    """

    python: str
    platform: str
    device: str
    dtype: str
    threads: int
    batch_size: int
    requested_batch_size: int | None = None
    optimizations: tuple[str, ...] = ()
    packages: dict[str, str] = Field(default_factory=dict)
    processor: str | None = Field(None, description="model name of the CPU or GPU; null where it was not recorded")


class SeedBlock(Spec):
    """Seeds of one block of images: ``count`` numbers per prompt, from ``start``; the prompt adds a multiple of 10,000."""

    start: int = Field(ge=0)
    count: int = Field(ge=1)


class Timing(Spec):
    """What it cost; no part of the digest. ``seconds`` by phase."""

    seconds: dict[str, float] = Field(default_factory=dict)
    forward_passes: int = 0


UNSPENT = Timing()
"""Nothing was made, and nothing looked at."""


class Record(Spec):
    """One evaluation of one submission on one task. ``probed``: None until it was run with its task's probe sets."""

    schema_version: Literal[3] = 3
    suite: str
    suite_version: int
    task: str
    submission: str
    protocol: str
    tier: str
    verification: Verification = Verification()
    verdict: Verdict
    scores: dict[str, Score] = Field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    damage: dict[str, Score] = Field(default_factory=dict)
    attacks: dict[str, Score] = Field(default_factory=dict)
    probe_results: ProbeResults | None = None
    judges: dict[str, str] = Field(default_factory=dict)
    controls: dict[str, str] = Field(default_factory=dict)
    checkpoint: CheckpointRecord
    code: Code
    base_digest: str | None = Field(None, description="SHA-256 of the base model; null where it was not recorded")
    seeds: dict[str, SeedBlock] | None = Field(None, description="seeds by block of images; null where they were not recorded")
    date: str | None = Field(None, description="when it was measured: ISO 8601, UTC, to the second; null where it was not recorded")
    environment: Environment
    timing: Timing = Timing()
    digest: str = ""

    def computed_digest(self) -> str:
        """The digest of everything except itself, the date and the timing, which differ when the same result is measured again."""
        return canonical_digest(self.content(exclude={"digest", "date", "timing"}))

    @property
    def measured_digest(self) -> str:
        """The digest over what was measured alone: what others cite as a control, since settling one row must not move another's."""
        measured = {"suite", "suite_version", "task", "submission", "protocol", "tier", "curves", "judges", "checkpoint"}
        return canonical_digest(self.content(include=measured))

    def sealed(self) -> Record:
        """A copy that carries its own digest."""
        return self.model_copy(update={"digest": self.computed_digest()})

    def path(self, results: Path) -> Path:
        """The file that holds it below a results folder."""
        return record_path(results, f"{self.suite}-{self.suite_version}", self.task, self.submission, self.protocol, self.tier)


def record_path(results: Path, suite_id: str, task: str, submission: str, protocol: str, tier: str) -> Path:
    """Where the record of one evaluation lies below a results folder; ``suite_id`` is name and version, ``miniature-1``."""
    return results / suite_id / task / f"{submission}.{protocol}-{tier}.json"


def read_record(path: Path) -> Record:
    """A record whose digest holds.

    Raises:
        CheckFailed: the file is missing, no record, or was altered after it was sealed.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CheckFailed(
            "record.unreadable", str(path), f"cannot be read ({error.strerror})", "run the evaluation again, or name another file"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        remedy = "records are written by `unconceal run` only: run it again"
        raise CheckFailed(
            "record.invalid", str(path), f"is no record ({where}: {first['msg']}, {error.error_count()} in all)", remedy
        ) from error
    if record.digest != record.computed_digest():
        remedy = "restore the file, or run the evaluation again"
        raise CheckFailed("record.altered", str(path), "does not match its own digest, so its numbers were altered after the run", remedy)
    return record


def write_record(record: Record, path: Path) -> None:
    """Seal the record and put it in place whole: a reader sees the old file or the new one, never half of one.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written; no partial file stays behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (record.sealed().model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        remedy = "free some space and run again: finished work is kept" if error.errno == errno.ENOSPC else "make the folder writable"
        raise EnvironmentFault("record.not-writable", str(path), f"was not written ({error.strerror})", remedy) from error
