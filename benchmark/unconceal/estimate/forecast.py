"""What a run would take, before anything is loaded or generated: shards that are stored, shards that are missing, and their cost."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from unconceal.battery import PROBES
from unconceal.battery.run_battery import example_blocks, probe_shard, scope_of
from unconceal.estimate.image_spec import ImageSpec, bytes_in, image_spec_of, images_in
from unconceal.evaluation.evaluation import Evaluation, checkpoint_of
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.identity import Shard, StoreKey
from unconceal.paths import IN_PACKAGE, resolve_path
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.submission import ORIGINAL_FORMAT, Checkpoint, Submission
from unconceal.specs.task import Task

ANY_CHECKPOINT = "?"
"""Replaces the checkpoint's digest in shards that are counted once for all submissions of a task."""


@dataclass(frozen=True)
class Workload:
    """Number of shards, how many of them are stored, and the cost of the others. A backward pass counts as two forward passes."""

    shards: int = 0
    stored: int = 0
    images: int = 0
    forward_passes: int = 0
    bytes: int = 0

    def __add__(self, other: Workload) -> Workload:
        # Large forecasts add hundreds of thousands: dataclasses.astuple would copy every value.
        return Workload(
            self.shards + other.shards,
            self.stored + other.stored,
            self.images + other.images,
            self.forward_passes + other.forward_passes,
            self.bytes + other.bytes,
        )

    @property
    def table_row(self) -> dict[str, object]:
        return {
            "shards": self.shards,
            "stored": self.stored,
            "images left": self.images,
            "forward passes left": self.forward_passes,
            "MB left": round(self.bytes / 1e6, 1),
        }


def workload_of(count: int, missing: Iterable[Shard], image_spec: ImageSpec, rule: InferenceRule | None = None) -> Workload:
    """The workload of ``count`` shards, of which those in ``missing`` are not stored; ``rule``: by which θ* samples."""
    shards = list(missing)
    size = sum(bytes_in(shard, image_spec) for shard in shards)
    forward_passes = sum(count_forward_passes(shard, rule) for shard in shards)
    return Workload(count, count - len(shards), sum(map(images_in, shards)), forward_passes, size)


@dataclass
class TaskForecast:
    """``shared``: θ's shards, which all submissions share; ``submissions``: the shards of each.

    ``recorded``: submissions with an existing record, which are not measured again; ``without_weights``: submissions whose weights are
    not on this machine and cannot be downloaded, so that a run stops at them.
    """

    shared: Workload
    submissions: dict[str, Workload]
    recorded: frozenset[str]
    without_weights: frozenset[str] = frozenset()

    def status(self, name: str) -> str:
        """The state of a submission in the table."""
        if name in self.recorded:
            return "exists"
        return "weights missing" if name in self.without_weights else "to be measured"


@dataclass
class Forecast:
    """Forecasts by task."""

    tasks: dict[str, TaskForecast] = field(default_factory=dict)

    @property
    def total(self) -> Workload:
        parts = (part for task in self.tasks.values() for part in (task.shared, *task.submissions.values()))
        return sum(parts, Workload())

    @property
    def evaluations(self) -> int:
        """Number of evaluations, (task, submission), to be judged."""
        return sum(len(task.submissions) - len(task.recorded) for task in self.tasks.values())

    @property
    def without_weights(self) -> list[str]:
        """Evaluations that cannot run because weights are missing."""
        return [f"{name} on {task}" for task, forecast in self.tasks.items() for name in sorted(forecast.without_weights)]

    def table(self, max_rows: int = 60) -> Iterator[dict[str, object]]:
        """One row for θ and one per submission for every task; only sums where this would be more than ``max_rows``."""
        in_full = sum(1 + len(task.submissions) for task in self.tasks.values()) <= max_rows
        for name, task in self.tasks.items():
            yield {"task": name, "model": "θ, shared", "records": "", **task.shared.table_row}
            if in_full:
                for submission, workload in task.submissions.items():
                    yield {"task": name, "model": submission, "records": task.status(submission), **workload.table_row}
            else:
                records = f"{len(task.recorded)} of {len(task.submissions)} exist"
                total = sum(task.submissions.values(), Workload())
                yield {"task": name, "model": f"{len(task.submissions)} submissions", "records": records, **total.table_row}


class Forecaster:
    """Counts the shards of an evaluation.

    Submissions' shards differ in the checkpoint only, so they are counted once per task. The store is asked only about models of which it
    holds shards.
    """

    def __init__(self, evaluation: Evaluation, probes: bool = False, scheduled_only: bool = False) -> None:
        self.evaluation, self.probes, self.scheduled_only = evaluation, probes, scheduled_only
        self.battery = () if scheduled_only or evaluation.protocol != "standard" else evaluation.tier.probes
        self.image_spec = image_spec_of(evaluation.suite, evaluation.root)
        self.models = evaluation.store.registered_models()
        self.counted: set[StoreKey] = set()

    def forecast(self, pairs: Sequence[tuple[Task, Submission]]) -> Forecast:
        by_task: dict[str, tuple[Task, list[Submission]]] = {}
        for task, submission in pairs:
            by_task.setdefault(task.id, (task, []))[1].append(submission)
        return Forecast({name: self.task(task, submissions) for name, (task, submissions) in by_task.items()})

    def task(self, task: Task, submissions: Sequence[Submission]) -> TaskForecast:
        """The forecast of one task with all of its submissions."""
        protocol_shards, probe_shards = self._shards(task)
        recorded = self._recorded(task, submissions)
        to_measure = len(recorded) < len(submissions)
        needed = [*(protocol_shards if to_measure else []), *probe_shards]
        originals = [shard for shard in dict.fromkeys(needed) if shard.is_originals and shard not in self.counted]
        self.counted.update(originals)
        shared = workload_of(len(originals), self._missing(originals), self.image_spec)
        if to_measure:
            shared += self._battery(task, self.evaluation.suite.base.digest)
        unstored_battery = self._battery(task, ANY_CHECKPOINT)
        handovers = {True: _handovers(probe_shards), False: _handovers([*protocol_shards, *probe_shards])}
        nothing_stored = {has_record: workload_of(len(shards), shards, self.image_spec) for has_record, shards in handovers.items()}

        def workload(submission: Submission) -> Workload:
            checkpoint, has_record = checkpoint_of(submission, task), submission.name in recorded
            rule, has_battery = checkpoint.inference, not has_record and not is_original(checkpoint)
            digest = self._digest(task, submission) if self._may_be_stored(task, submission) else None
            if digest is None and rule is None:
                return nothing_stored[has_record] + (unstored_battery if has_battery else Workload())
            shards = [replace(shard, checkpoint=digest or ANY_CHECKPOINT) for shard in handovers[has_record]]
            battery = self._battery(task, digest or ANY_CHECKPOINT, rule) if has_battery else Workload()
            return workload_of(len(shards), self._missing(shards), self.image_spec, rule) + battery

        to_load = (submission for submission in submissions if self.probes or submission.name not in recorded)
        without_weights = frozenset(submission.name for submission in to_load if not has_weights(self.evaluation, task, submission))
        return TaskForecast(shared, {submission.name: workload(submission) for submission in submissions}, recorded, without_weights)

    def _shards(self, task: Task) -> tuple[list[Shard], list[Shard]]:
        """The shards of the protocol, and those of neighbours and attacks."""
        protocol = PROTOCOLS[self.evaluation.procedure]
        pairs = (protocol.shards if self.scheduled_only else protocol.at_most)(self.evaluation, task, ANY_CHECKPOINT)
        shards = [shard for pair in pairs for shard in pair if shard is not None]
        if self.battery:
            shards += [shard for block in example_blocks(self.evaluation, task) for shard in block.trajectories]
        if not self.probes:
            return shards, []
        from unconceal.probing.run_probes import plan_probes

        return shards, plan_probes(self.evaluation, task, ANY_CHECKPOINT).shards

    def _battery(self, task: Task, checkpoint: str, rule: InferenceRule | None = None) -> Workload:
        """The battery's probes of one model, as if θ followed every prompt."""
        if not self.battery:
            return Workload()
        scope, result = replace(scope_of(self.evaluation, task), rule=rule), Workload()
        for probe in self.battery:
            shard, plan = probe_shard(self.evaluation, task, probe, checkpoint), PROBES[probe].plan(scope)
            if shard in self.counted:
                continue
            if checkpoint == self.evaluation.suite.base.digest:
                self.counted.add(shard)
            n_images = len(plan.levels) * len(scope.forget) * plan.images_per_prompt
            missing = Workload(1, 0, n_images, plan.cost.work, n_images * self.image_spec.image_bytes)
            result += missing if self._is_missing(shard) else Workload(1, 1)
        return result

    def _missing(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        """The shards that the store lacks."""
        return (shard for shard in shards if self._is_missing(shard))

    def _is_missing(self, shard: StoreKey) -> bool:
        return (self.models is not None and shard.model not in self.models) or shard not in self.evaluation.store

    def _may_be_stored(self, task: Task, submission: Submission) -> bool:
        digest = checkpoint_of(submission, task).sha256
        if self.models is None:
            return True
        return bool(self.models) and (digest is None or digest in self.models)

    def _digest(self, task: Task, submission: Submission) -> str | None:
        """The checkpoint's digest as the submission states it, else of its file: unlike an evaluation, a forecast need not verify it."""
        checkpoint = checkpoint_of(submission, task)
        if is_original(checkpoint):
            return self.evaluation.suite.base.digest
        return checkpoint.sha256 or self.evaluation.weights_digest(task, submission)

    def _recorded(self, task: Task, submissions: Sequence[Submission]) -> frozenset[str]:
        """Submissions with a current record; folders are listed first, since most records do not exist."""
        files = {name for folder in self.evaluation.record_folders(task) for name in _listed(folder)}
        candidates = [item for item in submissions if files and self.evaluation.record_path(task, item.name).name in files]
        return frozenset(candidate.name for candidate in candidates if self.evaluation.stored_record(task, candidate))


def is_original(checkpoint: Checkpoint) -> bool:
    """Whether θ* is θ, so that it needs no images of its own."""
    return checkpoint.format == ORIGINAL_FORMAT and checkpoint.inference is None


def has_weights(evaluation: Evaluation, task: Task, submission: Submission) -> bool:
    """Whether a run can load the weights: they need none, are on this machine, or can be downloaded."""
    path = checkpoint_of(submission, task).path
    if path is None or path.startswith(IN_PACKAGE):
        return path is None or resolve_path(path, evaluation.root).exists()
    # Large forecasts check many paths, so nothing is resolved here: a run refuses links that leave the root.
    return os.path.exists(os.path.join(evaluation.root.submissions.parent, path))


def _handovers(shards: Iterable[Shard]) -> list[Shard]:
    """θ*'s shards, once each."""
    return [shard for shard in dict.fromkeys(shards) if not shard.is_originals]


def _listed(folder: str | os.PathLike[str]) -> Sequence[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def forecast(
    evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], probes: bool = False, scheduled_only: bool = False
) -> Forecast:
    """What evaluating the pairs would take.

    Args:
        evaluation: the settings of the run.
        pairs: what to evaluate.
        probes: whether to include neighbours and attacks, as if every attack were eligible.
        scheduled_only: count only the shards that are generated before a row is measured: without the tier's probes of the battery, and
            without the looks of the sequential tier.
    """
    return Forecaster(evaluation, probes, scheduled_only).forecast(pairs)
