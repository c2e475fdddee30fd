"""How and where evaluations run: what every protocol shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch

from unconceal.checkpoints.apply import AppliedCheckpoint, apply_submitted
from unconceal.checkpoints.rehearsal import rehearse
from unconceal.checkpoints.standalone import load_standalone
from unconceal.diffusion.families import FAMILIES, Levels
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model, check_latent_space
from unconceal.diffusion.noise_levels import aligned_to_base
from unconceal.diffusion.optimize import optimized
from unconceal.errors import CheckFailed, EnvironmentFault, UsageError
from unconceal.evaluation import environment
from unconceal.evaluation.image_scores import Scores
from unconceal.evaluation.prompt_limits import count_truncated
from unconceal.evaluation.seed_blocks import seed_blocks
from unconceal.evaluation.suite_models import SuiteModels
from unconceal.generate.generator import has_other_decoder
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.locks import locked
from unconceal.generate.plan import Plan, build_plan
from unconceal.generate.store import LOCKS, Store
from unconceal.generate.throughput import Work
from unconceal.hub.dataset_prompts import with_dataset_prompts
from unconceal.hub.local_weights import require_weights, weights_digest
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent
from unconceal.specs.controls import check_no_twin
from unconceal.specs.digests import canonical_digest
from unconceal.specs.inference_rule import rule_digest
from unconceal.specs.loader import load_controls, load_submission, load_suite, load_task
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.record import (
    CheckpointRecord,
    ComponentRecord,
    Environment,
    FreshSpecs,
    ProbeMeasurement,
    Record,
    Stopping,
    Timing,
    Verdict,
    read_record,
    record_path,
)
from unconceal.specs.submission import STANDALONE_FORMAT, Checkpoint, Submission
from unconceal.specs.suite import REFERENCE_TIER, VERDICT, RunTierName, Sampler, Suite, Tier
from unconceal.specs.task import Task

ProcedureName = Literal["standard", "sequential", "paper"]
LEVEL_TOLERANCE = 1e-3
"""Maximum difference between a scheduler's and the plan's timesteps."""
MIN_RETAIN_PROMPTS = 2
"""Intervals over retain prompts need two."""
N_LATENTS = 4
"""Images of retained concepts on which two decoders are compared."""
NO_VERDICT_YET = Verdict(label="undetermined", reason="not compared with golds yet")


@dataclass
class Evaluation:
    """The settings of a run and its loaded models. All evaluations of a run share the base model, the judges and θ's trajectories."""

    suite: Suite
    root: DataRoot
    tier_name: RunTierName = "full"
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    batch_size: int = 128
    shard_size: int = 16
    progress: Progress = field(default_factory=Silent)
    protocol: ProtocolName = "standard"
    offload: bool = False
    """Whether idle parts of the models are kept in the machine's memory; no image depends on it."""
    optimizations: tuple[str, ...] = ()
    """Optimizations of the denoiser, see :mod:`unconceal.diffusion.optimize`; part of every image's identity."""
    requested_batch_size: int | None = None
    """``batch_size`` before it was halved for lack of memory."""
    fresh_seed: int | None = None
    """Of a fresh re-run: ``suite`` and all tasks are drawn with it, see :mod:`unconceal.rerun`."""

    def __post_init__(self) -> None:
        if self.protocol == "paper":
            self._refuse_tiers()
        elif not self.suite.has_tier(self.tier_name):
            tiers = ", ".join(self.suite.tiers)
            raise UsageError("suite.unknown-tier", f"tier {self.tier_name!r}", f"suite {self.suite.id} has no such tier", f"use {tiers}")
        torch.set_num_threads(self.threads)
        self.suite_models = SuiteModels(
            self.suite, self.root, self.device, getattr(torch, self.dtype), self.batch_size, self.offload, self.progress.log
        )
        self.store = Store(self.root.store, self.progress.log)

    def _refuse_tiers(self) -> None:
        if self.tier_name != "full":
            raise UsageError("protocol.no-tiers", "protocol paper", "has no tiers: its counts are those of the release", "leave --tier out")

    @property
    def tier(self) -> Tier:
        return self.suite.tier(self.tier_name)

    @property
    def procedure(self) -> ProcedureName:
        """How a row is measured: as the protocol says, or look by look."""
        return "sequential" if self.tier_name == VERDICT else self.protocol

    @property
    def gold_tier(self) -> RunTierName:
        """The tier of the gold records that rows are compared with."""
        return REFERENCE_TIER if self.tier_name == VERDICT else self.tier_name

    @property
    def device_class(self) -> str:
        """``cpu``, or the accelerator's name: results of one class have one identity."""
        return torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else self.device

    @property
    def compute_config(self) -> ComputeConfig:
        return ComputeConfig(self.device_class, self.dtype, self.threads, self.batch_size, self.shard_size, self.optimizations)

    def halve_batch(self) -> None:
        """Halve the batch size. Everything generated from now on has another identity, and records name the batch size.

        Raises:
            EnvironmentFault: it is 1 already.
        """
        if self.batch_size == 1:
            raise EnvironmentFault(
                "environment.out-of-memory",
                "batch size 1",
                "does not fit into memory",
                "use a GPU with more memory, or --dtype bfloat16",
            )
        self.requested_batch_size = self.requested_batch_size or self.batch_size
        self.batch_size //= 2
        self.progress.log(f"out of memory with batch size {2 * self.batch_size}: continuing with {self.batch_size}, which records name")

    def record_path(self, task: Task, name: str, tier: RunTierName | None = None) -> Path:
        """The file of a submission's record; ``tier``: instead of the run's."""
        return record_path(self.root.results, self.suite.id, task.id, name, self.protocol, tier or self.tier_name)

    def record_folders(self, task: Task) -> list[Path]:
        """Folders that may hold records of a task."""
        return [(folder / self.record_path(task, "any").relative_to(self.root.results)).parent for folder in self.root.result_folders]

    def plan(self, task: Task, submission: Submission) -> Plan:
        """The images to generate; needs no model, only the checkpoint's digest."""
        return self.plan_for(task, self.weights_digest(task, submission))

    def plan_for(self, task: Task, checkpoint: str | None, components: Mapping[str, ComponentRecord] = MappingProxyType({})) -> Plan:
        """The images to generate.

        Args:
            task: whose prompts are used.
            checkpoint: digest of θ*'s weights; None for the original model.
            components: what the checkpoint changed. A changed text encoder adds the diagnostic arm.
        """
        base = self.suite.base.digest
        own_empty = any(name.startswith("text_encoder") and component.changed for name, component in components.items())
        return build_plan(self.suite, self.tier, task, base, checkpoint or base, self.compute_config, own_empty)

    def weights_digest(self, task: Task, submission: Submission) -> str | None:
        """SHA-256 of the checkpoint's file, or as the submission states it if the file is missing; None for the original model."""
        return weights_digest(checkpoint_of(submission, task), self.root)

    def stored_record(self, task: Task, submission: Submission, tier: RunTierName | None = None) -> Record | None:
        """The existing record of the same specs, checkpoint, device class and precision; None if there is none.

        ``tier``: instead of the run's.
        """
        name = self.record_path(task, submission.name, tier).relative_to(self.root.results)
        path = next((folder / name for folder in self.root.result_folders if (folder / name).exists()), None)
        if path is None:
            return None
        try:
            record = read_record(path)
        except CheckFailed as error:
            if error.code == "record.old-format":
                raise
            self.progress.log(f"{error.value} {error.consequence}: measured again")
            return None
        expected = {**self.spec_digests(task, submission), "sha256": self.weights_digest(task, submission)}
        same = expected == {name: getattr(record.checkpoint, name) for name in expected} and record.fresh == self.fresh_specs(task)
        return record if same and (record.environment.device, record.environment.dtype) == (self.device_class, self.dtype) else None

    def spec_digests(self, task: Task, submission: Submission) -> dict[str, str]:
        """Digests of the published specs, which a fresh re-run differs from."""
        published = (self.suite, task) if self.fresh_seed is None else published_specs(self.root, self.suite.name, task.id)
        return environment.spec_digests(*published, submission)

    def fresh_specs(self, task: Task) -> FreshSpecs | None:
        """What was drawn for a fresh re-run; None if this is none."""
        if self.fresh_seed is None:
            return None
        digests = {"suite_digest": canonical_digest(self.suite.content()), "task_digest": canonical_digest(task.content())}
        return FreshSpecs(seed=self.fresh_seed, **digests)

    @contextmanager
    def record_lock(self, task: Task, submission: Submission) -> Iterator[Record | None]:
        """Lock a record while its images are scored; yields the record if another process has just written it."""
        with locked(self.store.root / LOCKS, str(self.record_path(task, submission.name).absolute())):
            yield self.stored_record(task, submission)

    def gold_records(self, task: Task) -> list[Record]:
        """The existing records of the task's golds that belong to the current specs."""
        golds = [load_submission(self.root, f"{self.suite.name}/{name}") for name in task.golds]
        records = [self.stored_record(task, gold, self.gold_tier) for gold in golds]
        return [record for record in records if record is not None]

    def original(self, sampler: Sampler | None = None) -> Model:
        """θ; ``sampler``: instead of the suite's."""
        base = optimized(self.suite_models.base, self.optimizations)
        return FAMILIES[self.suite.family].load(base, sampler or self.suite.sampler, offloader=self.suite_models.offloader)

    def models(self, task: Task, submission: Submission, sampler: Sampler | None = None) -> tuple[Model, Model, AppliedCheckpoint]:
        """Load θ and θ*, and check that θ* differs from θ and shares its latent space.

        Args:
            task: of the checkpoint.
            submission: of the checkpoint.
            sampler: instead of the suite's.

        Raises:
            CheckFailed: the checkpoint is not acceptable.
            EnvironmentFault: its weights are missing.
        """
        family, sampler = FAMILIES[self.suite.family], sampler or self.suite.sampler
        checkpoint = checkpoint_of(submission, task)
        path = require_weights(submission, task.id, self.root)
        base = self.suite_models.base
        if path is not None:
            rehearse(path)
        if checkpoint.format == STANDALONE_FORMAT:
            kind, dtype = family.pipeline_class, self.suite_models.dtype
            where = "cpu" if self.offload else self.device
            pipe, applied = load_standalone(path, checkpoint.sha256, where, dtype, kind)
        else:
            pipe, applied = apply_submitted(base, path, checkpoint)
            check_no_twin(load_controls(self.root, self.suite.name), submission, task.id, applied.sha256)
        if checkpoint.inference is not None:
            applied = replace(applied, sha256=rule_digest(checkpoint.inference))
        original, offloader = self.original(sampler), self.suite_models.offloader
        unlearned = family.load(optimized(pipe, self.optimizations), sampler, applied.spm, offloader, checkpoint.inference)
        check_schedule(original, family.levels(sampler))
        if has_other_decoder(original, unlearned):
            check_latent_space(original, unlearned, retained_latents(original, task))
        return original, aligned_to_base(unlearned, original), applied

    def checkpoint_record(self, task: Task, submission: Submission, applied: AppliedCheckpoint) -> CheckpointRecord:
        """The checkpoint's entry in a record."""
        specs = self.spec_digests(task, submission)
        return CheckpointRecord(
            **specs,
            sha256=applied.sha256,
            format=applied.format,
            components=applied.components,
            unused_parts=applied.unused_parts,
            warnings=applied.warnings,
            files=applied.files,
        )

    @property
    def environment(self) -> Environment:
        """The environment's entry in a record."""
        return Environment(
            **environment.machine_info(),
            device=self.device_class,
            dtype=self.dtype,
            threads=self.threads,
            batch_size=self.batch_size,
            requested_batch_size=self.requested_batch_size,
            optimizations=self.optimizations,
            packages=environment.package_versions(),
            processor=self.device_class if self.device.startswith("cuda") else environment.processor_model(),
        )

    def truncated_prompts(self, task: Task, further: Iterable[str] = ()) -> dict[str, int]:
        """How many prompts a tokenizer cuts, see :mod:`unconceal.evaluation.prompt_limits`; ``further``: prompts beside the task's."""
        counts = self.suite.paper_protocol if self.protocol == "paper" else self.tier
        forget, retain = task.forget[: counts.n_prompts], task.retain[: counts.n_retain_prompts]
        drawn = (*(prompt.text for prompt in (*forget, *retain)), *further)
        return count_truncated(self.suite_models.prompt_limits, drawn, [prompt.text for prompt in forget])

    def record(
        self,
        task: Task,
        submission: Submission,
        checkpoint: CheckpointRecord,
        scores: Scores,
        timing: Timing,
        battery: Mapping[str, ProbeMeasurement] = MappingProxyType({}),
        stopping: Stopping | None = None,
    ) -> Record:
        """The record of one measurement, without a verdict; ``stopping``: of the sequential tier."""
        return Record(
            suite=self.suite.name,
            suite_version=self.suite.version,
            task=task.id,
            submission=submission.name,
            protocol=self.protocol,
            tier=self.tier_name,
            fresh=self.fresh_specs(task),
            verdict=NO_VERDICT_YET,
            scores=scores.by_name,
            curves=tuple(scores.curves),
            battery=dict(battery),
            stopping=stopping,
            judges=self.suite_models.digests,
            checkpoint=checkpoint,
            inference=checkpoint_of(submission, task).inference,
            truncated_prompts=self.truncated_prompts(task),
            code=environment.code_state(),
            base_digest=self.suite.base.digest,
            seeds=seed_blocks(self.suite, self.tier_name, self.protocol),
            date=environment.utc_now(),
            environment=self.environment,
            timing=timing,
        ).sealed()


@cache
def published_specs(root: DataRoot, suite: str, task: str) -> tuple[Suite, Task]:
    """A suite and a task as their files have them."""
    return load_suite(root, suite), with_dataset_prompts(load_task(root, f"{suite}:{task}"))


def retained_latents(original: Model, task: Task) -> torch.Tensor:
    """Clean latents of θ for the first retain prompts."""
    prompts = [prompt.text for prompt in task.retain[:N_LATENTS]]
    return run_original(original, prompts, range(len(prompts)), (original.steps,)).latents[original.steps]


def check_schedule(original: Model, planned: Levels) -> None:
    """Check that the base's scheduler has the timesteps at which the plan hands over.

    Raises:
        CheckFailed: it has others.
    """
    steps = original.noise_levels()
    if len(steps) != len(planned) or any(abs(t - expected) > LEVEL_TOLERANCE for t, expected in zip(steps, planned, strict=True)):
        actual, expected = (f"{levels[0]:g}, … {levels[-1]:g}" for levels in (steps, planned))
        value = f"the base's scheduler runs t = {actual}, the suite's plan t = {expected}"
        remedy = "give the base a DDIM schedule with leading spacing and offset 1, or the suite its steps or its shift"
        raise CheckFailed("schedule.mismatch", value, "a ratio ψ would mean another noise level than the record states", remedy)


def check_limits(task: Task) -> None:
    """Check what the scores need of a task, before any work.

    Raises:
        CheckFailed: it has too few retain prompts.
    """
    if len(task.retain) < MIN_RETAIN_PROMPTS:
        value = f"{task.id}: {len(task.retain)} retain prompts"
        consequence = f"are fewer than the {MIN_RETAIN_PROMPTS} that the scores need"
        raise CheckFailed("task.too-few-retain-prompts", value, consequence, "write prompts of other concepts into the task")


def judging_work(evaluation: Evaluation) -> Work:
    """Judging one evaluation at this tier, as work whose speed is measured."""
    return Work.on_this_machine("judged", f"{evaluation.suite.id} {evaluation.protocol} {evaluation.tier_name}", evaluation.compute_config)


def checkpoint_of(submission: Submission, task: Task) -> Checkpoint:
    """The submission's checkpoint for a task."""
    if task.id not in submission.checkpoints:
        remedy = f"choose from {', '.join(submission.checkpoints)}"
        raise UsageError(
            "submission.no-checkpoint", f"{submission.name} on {task.id}", "the submission has no checkpoint for this task", remedy
        )
    return submission.checkpoints[task.id]
