"""How and where evaluations run: what every protocol shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unconceal.checkpoints.apply import AppliedCheckpoint, apply
from unconceal.checkpoints.standalone import STANDALONE, load_standalone
from unconceal.diffusion.families import FAMILIES, Levels
from unconceal.diffusion.model import Model, check_latent_space
from unconceal.diffusion.noise_levels import aligned
from unconceal.diffusion.optimize import fast
from unconceal.errors import CheckFailed, EnvironmentFault, UsageError
from unconceal.evaluation import provenance
from unconceal.evaluation.image_scores import Scores
from unconceal.evaluation.suite_models import SuiteModels
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.locks import claimed
from unconceal.generate.plan import Plan, build_plan
from unconceal.generate.store import CLAIMS, Store
from unconceal.generate.throughput import Work
from unconceal.hub.local_weights import locate, weights_digest
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent
from unconceal.specs.loader import load_submission
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.record import CheckpointRecord, Environment, Record, Timing, Verdict, read_record, record_path
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Sampler, Suite, Tier, TierName
from unconceal.specs.task import Task

LEVEL_TOLERANCE = 1e-3
UNSETTLED = Verdict(label="undetermined", why="not read against golds yet")


@dataclass
class Evaluation:
    """How and where evaluations run. Several of one suite share the base model, the judges and θ's trajectories."""

    suite: Suite
    root: DataRoot
    tier_name: TierName = "full"
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    batch: int = 128
    shard: int = 16
    progress: Progress = field(default_factory=Silent)
    protocol: ProtocolName = "standard"
    offload: bool = False
    """Whether parts of the models wait in the machine's memory until they work; no picture depends on it."""
    options: tuple[str, ...] = ()
    """What is changed for speed on the denoiser, see :mod:`unconceal.diffusion.optimize`; part of every picture's identity."""
    batch_asked: int | None = None
    """What ``batch`` was before memory did not suffice."""

    def __post_init__(self) -> None:
        if self.protocol == "paper":
            self._refuse_tiers()
        elif self.tier_name not in self.suite.tiers:
            known = ", ".join(self.suite.tiers)
            raise UsageError(f"tier {self.tier_name!r}", f"suite {self.suite.id} has none of that name", f"use {known}")
        torch.set_num_threads(self.threads)
        self.instruments = SuiteModels(
            self.suite, self.root, self.device, getattr(torch, self.dtype), self.batch, self.offload, self.progress.say
        )
        self.store = Store(self.root.store, self.progress.say)

    def _refuse_tiers(self) -> None:
        if self.tier_name != "full":
            raise UsageError("protocol paper", "has no tiers: its counts are those of the release", "leave --tier out")

    @property
    def tier(self) -> Tier:
        return self.suite.tiers[self.tier_name]

    @property
    def device_class(self) -> str:
        """``cpu``, or the accelerator's name: results of one class have one identity."""
        return torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else self.device

    @property
    def layout(self) -> ComputeConfig:
        return ComputeConfig(self.device_class, self.dtype, self.threads, self.batch, self.shard, self.options)

    def halve_batch(self) -> None:
        """Go on with half as many rows at once: another layout, so everything that it makes has another identity, and records name it.

        Raises:
            EnvironmentFault: it is one row already.
        """
        if self.batch == 1:
            raise EnvironmentFault("one row at a time", "is more than the memory holds", "use a card with more, or --dtype bfloat16")
        self.batch_asked = self.batch_asked or self.batch
        self.batch //= 2
        self.progress.say(f"memory does not suffice for {2 * self.batch} rows at once: going on with {self.batch}, which records say")

    def place(self, task: Task, name: str) -> Path:
        """Where the record of a submission lies."""
        return record_path(self.root.results, self.suite.id, task.id, name, self.protocol, self.tier_name)

    def places(self, task: Task) -> list[Path]:
        """Folders in which records of a task are looked for."""
        return [(folder / self.place(task, "any").relative_to(self.root.results)).parent for folder in self.root.result_folders]

    def plan(self, task: Task, submission: Submission) -> Plan:
        """What is to be generated; needs no model, only the checkpoint's digest."""
        digest = self.weights_digest(task, submission) or self.suite.base.digest
        return build_plan(self.suite, self.tier, task, self.suite.base.digest, digest, self.layout)

    def weights_digest(self, task: Task, submission: Submission) -> str | None:
        """SHA-256 of the checkpoint as it is now, or as promised where it is not there; None for the original itself."""
        return weights_digest(checkpoint_of(submission, task), self.root)

    def stored(self, task: Task, submission: Submission) -> Record | None:
        """A record that these specs, this checkpoint, device class and precision would only repeat."""
        place = self.place(task, submission.name).relative_to(self.root.results)
        path = next((folder / place for folder in self.root.result_folders if (folder / place).exists()), None)
        if path is None:
            return None
        record = read_record(path)
        wanted = {**provenance.spec_digests(self.suite, task, submission), "sha256": self.weights_digest(task, submission)}
        same = wanted == {name: getattr(record.checkpoint, name) for name in wanted}
        return record if same and (record.environment.device, record.environment.dtype) == (self.device_class, self.dtype) else None

    @contextmanager
    def judging(self, task: Task, submission: Submission) -> Iterator[Record | None]:
        """Where a measurement is judged: by one process at a time, which is given the record if another has just written it."""
        with claimed(self.store.root / CLAIMS, str(self.place(task, submission.name).absolute())):
            yield self.stored(task, submission)

    def golds(self, task: Task) -> list[Record]:
        """The records of the task's golds that exist and belong to today's specs."""
        found = [self.stored(task, load_submission(self.root, f"{self.suite.name}/{name}")) for name in task.golds]
        return [record for record in found if record is not None]

    def original(self, sampler: Sampler | None = None) -> Model:
        """θ; ``sampler``: other than the suite's."""
        base = fast(self.instruments.base, self.options)
        return FAMILIES[self.suite.family].load(base, sampler or self.suite.sampler, stage=self.instruments.stage)

    def models(self, task: Task, submission: Submission, sampler: Sampler | None = None) -> tuple[Model, Model, AppliedCheckpoint]:
        """θ and θ*, the latter verified to differ from θ and to share its latent space; ``sampler``: other than the suite's."""
        family, sampler = FAMILIES[self.suite.family], sampler or self.suite.sampler
        checkpoint = checkpoint_of(submission, task)
        path = locate(checkpoint, self.root)
        base = self.instruments.base
        if checkpoint.format == STANDALONE:
            kind, dtype = family.pipeline, self.instruments.dtype
            where = "cpu" if self.offload else self.device
            pipe, applied = load_standalone(path, checkpoint.sha256, where, dtype, kind)
        else:
            pipe, applied = apply(base, path, checkpoint.format, checkpoint.sha256, checkpoint.component)
        original = self.original(sampler)
        unlearned = family.load(fast(pipe, self.options), sampler, applied.membrane, self.instruments.stage)
        check_schedule(original, family.levels(sampler))
        if pipe.vae is not base.vae:
            check_latent_space(original, unlearned, original.noise([0, 1]))
        return original, aligned(unlearned, original), applied

    def checkpoint_record(self, task: Task, submission: Submission, applied: AppliedCheckpoint) -> CheckpointRecord:
        """What was loaded, as a record says it."""
        specs = provenance.spec_digests(self.suite, task, submission)
        return CheckpointRecord(
            **specs, sha256=applied.sha256, format=applied.format, components=applied.components, left_out=applied.left_out
        )

    @property
    def environment(self) -> Environment:
        """What it ran on and how, as a record says it."""
        return Environment(
            **provenance.machine(),
            device=self.device_class,
            dtype=self.dtype,
            threads=self.threads,
            batch=self.batch,
            batch_asked=self.batch_asked,
            options=self.options,
            packages=provenance.packages(),
        )

    def record(self, task: Task, submission: Submission, checkpoint: CheckpointRecord, found: Scores, timing: Timing) -> Record:
        """The record of one measurement, not yet settled."""
        return Record(
            suite=self.suite.name,
            suite_version=self.suite.version,
            task=task.id,
            submission=submission.name,
            protocol=self.protocol,
            tier=self.tier_name,
            verdict=UNSETTLED,
            scores=found.by_name,
            curves=tuple(found.curves),
            judges=self.instruments.digests,
            checkpoint=checkpoint,
            code=provenance.code(),
            environment=self.environment,
            timing=timing,
        ).sealed()


def check_schedule(original: Model, planned: Levels) -> None:
    """Refuse a base whose scheduler steps through other noise levels than the plan cuts ψ at."""
    steps = original.levels()
    if len(steps) != len(planned) or any(abs(one - other) > LEVEL_TOLERANCE for one, other in zip(steps, planned, strict=True)):
        ours, theirs = (f"{steps[0]:g}, … {steps[-1]:g}" for steps in (steps, planned))
        value = f"the base's scheduler runs t = {ours}, the suite's plan t = {theirs}"
        remedy = "give the base a DDIM schedule with leading spacing and offset 1, or the suite its steps or its shift"
        raise CheckFailed(value, "a ratio ψ would name another noise level than its record says", remedy)


def judged_work(evaluation: Evaluation) -> Work:
    """Judging one evaluation at the tier in force, as work whose speed is noted."""
    return Work.here("judged", f"{evaluation.suite.id} {evaluation.protocol} {evaluation.tier_name}", evaluation.layout)


def checkpoint_of(submission: Submission, task: Task) -> Checkpoint:
    """The submission's checkpoint for a task."""
    if task.id not in submission.checkpoints:
        remedy = f"choose from {', '.join(submission.checkpoints)}"
        raise UsageError(f"{submission.name} on {task.id}", "the submission has no checkpoint for this task", remedy)
    return submission.checkpoints[task.id]
