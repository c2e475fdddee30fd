"""Records: the measurements of one evaluation, its provenance, and a digest of both."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.files import TEMPORARY, read_regular_file, write_atomically
from unconceal.specs.battery import ProbeError
from unconceal.specs.curve import Curve as Curve
from unconceal.specs.digests import content_digest
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.json_budget import json_excess
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.problems import MAX_MISTAKES, OLD_RELEASE
from unconceal.specs.score import Score as Score
from unconceal.specs.sealed_text import is_sealed_text, sealed_text
from unconceal.specs.spec import Count, Digest, Key, Line, Mistake, Name, Spec
from unconceal.specs.submission import Format, TaskId
from unconceal.specs.suite import DECIDING_ARMS, VERDICT
from unconceal.specs.task import GoldKind

Label = Literal["intact", "conceals", "forgets", "not retrieved", "damaged", "inconclusive", "undetermined"]
SCHEMA_VERSION: Literal[3] = 3
UNSEALED = {"digest", "date", "timing"}
"""What a record's digest does not cover."""
PromptReader = Literal["generation", "clip"]
"""What reads prompts: the base's text encoders, and the judge of CLIP scores."""
Status = Literal["self_reported", "rerun", "disputed", "withdrawn"]


class Verdict(Spec):
    """The verdict on one evaluation.

    Attributes:
        code: the rule that decided, as in docs/concepts/verdict.md: ``excess.above-margin``.
        reason: the same as a sentence, with its numbers.
        gold: the kind of the golds it was compared with; None without golds.
        by: probes whose excess is significantly above the margin, the largest first; only for ``conceals``.
        probes: what the verdict rests on: arms of the handover, and probes of the battery.
        unmeasured: probes that the tier asks for and that say nothing, with the code of the reason.
    """

    label: Label
    code: str = ""
    reason: str
    gold: GoldKind | None = None
    by: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    unmeasured: dict[str, str] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """``conceals (by empty arm, relearning)``."""
        return f"{self.label} (by {', '.join(map(probe_title, self.by))})" if self.by else self.label


def probe_title(probe: str) -> str:
    """``empty arm``, ``relearning``."""
    return f"{probe} arm" if probe in DECIDING_ARMS else probe


class Verification(Spec):
    """Who vouches for the numbers, since when (ISO 8601), and why."""

    status: Status = "self_reported"
    by: str = ""
    date: str = ""
    reason: str = ""


class ComponentRecord(Spec):
    """Effect of a checkpoint on one component: counts of tensors, and ‖θ* − θ‖ / ‖θ‖ over the component."""

    matched: int
    missing: int
    unexpected: int
    changed: int
    relative_change: float


class FileRecord(Spec):
    """How one weights file was read: its formats, and the containers and prefixes that were taken off its keys."""

    formats: tuple[str, ...]
    prefixes: tuple[str, ...] = ()


class CheckpointRecord(Spec):
    """The checkpoint as it was loaded, and the digests of its specs.

    Attributes:
        sha256: of the weights, or of the inference rule of a submission without weights.
        unused_parts: contents of the release that were not applied.
        warnings: what looks wrong with the weights, with numbers.
        files: how each weights file was read.
    """

    task_digest: str
    suite_digest: str
    submission_digest: str
    sha256: str | None = None
    format: Format
    components: dict[str, ComponentRecord] = Field(default_factory=dict)
    unused_parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: dict[str, FileRecord] = Field(default_factory=dict)


class Code(Spec):
    """Version of the package. ``dirty``: the source tree differed from its commit."""

    version: str
    commit: str | None = None
    dirty: bool = False


class Environment(Spec):
    """The machine and the compute configuration, which the last digits depend on.

    Attributes:
        requested_batch_size: set if ``batch_size`` was reduced for lack of memory.
        optimizations: changes of the denoiser for speed.
        processor: model name of the processor that ran the denoiser.
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
    """Cost; not part of the digest. ``seconds`` by phase; ``forward_passes`` of the denoiser."""

    seconds: dict[str, float] = Field(default_factory=dict)
    forward_passes: int = 0


class ProbeMeasurement(Spec):
    """One probe of the battery.

    Attributes:
        levels: (l,) names of the treatments of different strength; ``scored``: those that the probe's score may use.
        images_per_prompt: generated at every level.
        per_prompt: (p, l) rates at which θ*'s images show the concept; ``original``: θ's under the same treatment.
        forward_passes, backward_passes: of the denoiser, for one model.
        error: code of what went wrong; then there are no rates.
    """

    levels: tuple[str, ...]
    scored: tuple[str, ...]
    images_per_prompt: int = Field(1, ge=1)
    per_prompt: tuple[tuple[float, ...], ...] = ()
    original: tuple[tuple[float, ...], ...] = ()
    forward_passes: int = Field(0, ge=0)
    backward_passes: int = Field(0, ge=0)
    error: ProbeError | None = None


class Stopping(Spec):
    """Where a run of the sequential tier stopped. Its curves have a row for each prompt that was used, in the order of use.

    Attributes:
        look: number of the last look, from 1; ``looks``: numbers of prompts at all looks of the plan.
        reason: ``decided``, or ``prompts used up``; which rule decided is the verdict's ``code``.
        prompts, retain_prompts: (n,) positions of the prompts used among the task's forget and retain prompts.
        held_out_prompts: number of relearning's prompts; None if the handover alone decided.
    """

    look: int = Field(ge=1)
    looks: tuple[int, ...]
    reason: Literal["decided", "prompts used up"]
    prompts: tuple[int, ...]
    retain_prompts: tuple[int, ...] = ()
    held_out_prompts: int | None = None


class FreshSpecs(Spec):
    """What a fresh re-run drew.

    Attributes:
        seed: that prompts, seeds and ψ were drawn with.
        suite_digest, task_digest: of the suite and the task with them; the checkpoint's entry has those of the published ones.
    """

    seed: int = Field(ge=0)
    suite_digest: str
    task_digest: str


UNSPENT = Timing()
"""No cost: everything was stored already."""


class Record(Spec):
    """One evaluation of one submission on one task.

    Attributes:
        controls: digests of the golds that the verdict rests on, by name.
        probe_results: None if the evaluation was run without probe sets.
        battery: results of the battery's probes by name.
        fresh: of a fresh re-run, which is compared with a row and is none itself.
        earlier_verifications: what ``verification`` was before, the oldest first. Nothing is removed from it.
        stopping: of the sequential tier, whose rows are never ranked.
        inference: the rule of an inference-time method, whose weights are θ's.
        truncated_prompts: prompts longer than a tokenizer takes, by what their ends are lost to: ``generation``, ``clip``.
    """

    schema_version: Literal[3] = SCHEMA_VERSION
    suite: Name
    suite_version: int = Field(ge=0, le=1_000_000)
    task: TaskId
    submission: Name
    protocol: Name
    tier: Name
    fresh: FreshSpecs | None = None
    verification: Verification = Verification()
    earlier_verifications: tuple[Verification, ...] = ()
    verdict: Verdict
    scores: dict[Key, Score] = Field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    damage: dict[Line, Score] = Field(default_factory=dict)
    attacks: dict[Line, Score] = Field(default_factory=dict)
    probe_results: ProbeResults | None = None
    battery: dict[Key, ProbeMeasurement] = Field(default_factory=dict)
    images: dict[Key, Digest] = Field(default_factory=dict, description="SHA-256 of the image files beside the record, by kind")
    stopping: Stopping | None = None
    judges: dict[Key, str] = Field(default_factory=dict)
    controls: dict[Name, str] = Field(default_factory=dict)
    checkpoint: CheckpointRecord
    inference: InferenceRule | None = None
    truncated_prompts: dict[PromptReader, Count] = Field(
        default_factory=dict, description="prompts longer than a tokenizer takes; empty: none"
    )
    code: Code
    base_digest: str | None = Field(None, description="SHA-256 of the base model; null where it was not recorded")
    seeds: dict[Key, SeedBlock] | None = Field(None, description="seeds by block of images; null where they were not recorded")
    date: str | None = Field(None, description="when it was measured: ISO 8601, UTC, to the second; null where it was not recorded")
    environment: Environment
    timing: Timing = Timing()
    digest: str = ""

    def mistakes(self) -> Iterator[Mistake]:
        """A full record that says it stopped, which would be ranked with few prompts; or a sequential one that does not say where."""
        if (self.stopping is not None) != (self.tier == VERDICT):
            value = f"stopping at tier {self.tier}" if self.stopping else f"tier {VERDICT} without stopping"
            consequence = "contradict each other, so it is unknown how many prompts were to be used"
            yield Mistake("record.other-tier", ("stopping",), value, consequence, RUN_AGAIN)

    def find_curve(self, name: str, arm: str, split: str = "forget") -> Curve | None:
        """The curve of a score in one arm."""
        return next((curve for curve in self.curves if (curve.name, curve.arm, curve.split) == (name, arm, split)), None)

    def computed_digest(self) -> str:
        """The digest of everything except itself, the date and the timing, which differ when the same result is measured again."""
        return content_digest(self.content(exclude=UNSEALED))

    def file_text(self) -> bytes:
        """The text of its file."""
        return sealed_text(self.content(exclude=UNSEALED), self.content(include=UNSEALED))

    @property
    def measured_digest(self) -> str:
        """Digest of the measurements without the verdict. Other records cite golds by it: a new verdict must not change it."""
        identity = {"suite", "suite_version", "task", "submission", "protocol", "tier", "fresh", "inference"}
        return content_digest(self.content(include=identity | {"curves", "battery", "judges", "checkpoint"}))

    @property
    def is_inference_time(self) -> bool:
        """Whether the method changes the sampling and no weights."""
        return self.inference is not None

    def sealed(self) -> Record:
        """A copy with its digest."""
        return self.model_copy(update={"digest": self.computed_digest()})

    def path(self, results: Path) -> Path:
        """Its file below a results folder."""
        return record_path(results, f"{self.suite}-{self.suite_version}", self.task, self.submission, self.protocol, self.tier)


def record_path(results: Path, suite_id: str, task: str, submission: str, protocol: str, tier: str) -> Path:
    """File of a record below a results folder; ``suite_id`` is name and version, ``miniature-1``."""
    return results / suite_id / task / f"{submission}.{protocol}-{tier}.json"


MAX_RECORD_BYTES = 16 * 2**20
"""Larger files are not opened; the largest records have 200 kB."""
RUN_AGAIN = "records are written by `unconceal run` only: run it again"


def read_record(path: Path) -> Record:
    """Read a record and check its digest.

    Raises:
        CheckFailed: the file is missing, is no record or one of an older format, or was altered after it was sealed.
    """
    content = b""
    try:
        content = read_regular_file(path, MAX_RECORD_BYTES, follow_links=False)
        if excess := json_excess(content):
            raise CheckFailed("record.too-large", str(path), f"holds {excess}, so it is not read", RUN_AGAIN)
        record = Record.model_validate_json(content)
    except OSError as error:
        raise CheckFailed(
            "record.unreadable", str(path), f"cannot be read ({error.strerror})", "run the evaluation again, or name another file"
        ) from error
    except ValidationError as error:
        if old_format := old_format_error(path, content):
            raise old_format from error
        if error.error_count() > MAX_MISTAKES:
            # Their texts would take seconds and hundreds of megabytes.
            consequence = f"is no record ({error.error_count()} fields are wrong)"
            raise CheckFailed("record.invalid", str(path), consequence, RUN_AGAIN) from error
        first = error.errors(include_url=False)[0]
        location = ".".join(str(part) for part in first["loc"]) or "the file"
        consequence = f"is no record ({location}: {first['msg']}, {error.error_count()} in all)"
        raise CheckFailed("record.invalid", str(path), consequence, RUN_AGAIN) from error
    if not is_sealed_text(content, record.digest, UNSEALED) and record.digest != record.computed_digest():
        remedy = "restore the file, or run the evaluation again"
        raise CheckFailed("record.altered", str(path), "does not match its own digest, so its numbers were altered after the run", remedy)
    return record


def old_format_error(path: Path, content: bytes, current: int = SCHEMA_VERSION) -> CheckFailed | None:
    """The error for a file whose schema version is older than ``current``; None for any other content."""
    try:
        version = json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(version, int) or version >= current:
        return None
    consequence = f"has schema version {version}, which release {OLD_RELEASE} still reads and this release does not"
    remedy = f"read it with `pip install unconceal=={OLD_RELEASE}`, or run the evaluation again"
    return CheckFailed("record.old-format", str(path), consequence, remedy)


def check_writable(path: Path) -> None:
    """Check that a record can be written, before the work that it is of.

    Raises:
        EnvironmentFault: its folder cannot be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        os.close(handle)
        os.unlink(temporary)
    except OSError as error:
        raise _not_writable(path, error) from error


def write_record(record: Record, path: Path) -> None:
    """Seal a record and write it atomically.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written; no partial file stays behind.
    """
    try:
        write_atomically(path, record.sealed().file_text())
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> EnvironmentFault:
    remedy = "free some space and run again: finished work is kept" if error.errno == errno.ENOSPC else "make the folder writable"
    return EnvironmentFault("record.not-writable", str(path), f"cannot be written ({error.strerror})", remedy)
