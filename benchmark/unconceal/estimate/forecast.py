"""What a run would take, before anything is loaded or made: cells, what is stored, what is left, and how long that lasts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from unconceal.estimate.image_spec import ImageSpec, bytes_in, image_spec_of, images_in
from unconceal.evaluation.evaluation import Evaluation, checkpoint_of
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.identity import Shard
from unconceal.probing import run_probes
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task

ANY = "?"
"""Stands for a checkpoint in cells that are counted, and never made, for every submission of a task alike."""


@dataclass(frozen=True)
class Workload:
    """Cells (a cell is one shard: some pictures of one model with their whole ψ set), how many are stored, and what the others take."""

    shards: int = 0
    stored: int = 0
    images: int = 0
    forward_passes: int = 0
    bytes: int = 0

    def __add__(self, other: Workload) -> Workload:
        return Workload(*(one + more for one, more in zip(self._values, other._values, strict=True)))

    @property
    def _values(self) -> tuple[int, ...]:
        return self.shards, self.stored, self.images, self.forward_passes, self.bytes

    @property
    def table_row(self) -> dict[str, object]:
        return {
            "cells": self.shards,
            "stored": self.stored,
            "pictures left": self.images,
            "denoiser rows left": self.forward_passes,
            "MB left": round(self.bytes / 1e6, 1),
        }


def workload_of(cells: int, left: Iterable[Shard], canvas: ImageSpec) -> Workload:
    """Of so many cells, of which those ``left`` are not stored."""
    shards = list(left)
    size = sum(bytes_in(shard, canvas) for shard in shards)
    return Workload(cells, cells - len(shards), sum(map(images_in, shards)), sum(map(count_forward_passes, shards)), size)


@dataclass
class TaskForecast:
    """``shared``: θ's part, which all submissions share and which is counted once; ``submissions``: what each takes beside.

    ``found``: those whose record is there; nothing of them is measured again.
    """

    shared: Workload
    submissions: dict[str, Workload]
    recorded: frozenset[str]


@dataclass
class Forecast:
    """By task."""

    tasks: dict[str, TaskForecast] = field(default_factory=dict)

    @property
    def total(self) -> Workload:
        return sum((part for one in self.tasks.values() for part in (one.shared, *one.submissions.values())), Workload())

    @property
    def evaluations(self) -> int:
        """How many evaluations, (task, submission), are to be judged."""
        return sum(len(one.submissions) - len(one.recorded) for one in self.tasks.values())

    def table(self, most: int = 60) -> Iterator[dict[str, object]]:
        """A line for θ and one for each submission, task by task; only sums where these would be more than ``most``."""
        whole = sum(1 + len(one.submissions) for one in self.tasks.values()) <= most
        for task, one in self.tasks.items():
            yield {"task": task, "model": "θ, shared", "records": "", **one.shared.table_row}
            if whole:
                for name, part in one.submissions.items():
                    yield {"task": task, "model": name, "records": "found" if name in one.recorded else "to be made", **part.table_row}
            else:
                told = f"{len(one.recorded)} of {len(one.submissions)} found"
                both = sum(one.submissions.values(), Workload())
                yield {"task": task, "model": f"{len(one.submissions)} submissions", "records": told, **both.table_row}


class Forecaster:
    """Counts for one evaluation, without making any identity that it can do without.

    A submission's cells differ from another's in the checkpoint alone, so they are counted once a task. Whether they are stored is asked
    only for models of which the store holds anything.
    """

    def __init__(self, evaluation: Evaluation, probes: bool = False) -> None:
        self.evaluation, self.probes = evaluation, probes
        self.canvas = image_spec_of(evaluation.suite, evaluation.root)
        self.models = evaluation.store.registered_models()
        self.counted: set[Shard] = set()

    def forecast(self, pairs: Sequence[tuple[Task, Submission]]) -> Forecast:
        by_task: dict[str, tuple[Task, list[Submission]]] = {}
        for task, submission in pairs:
            by_task.setdefault(task.id, (task, []))[1].append(submission)
        return Forecast({name: self.task(task, submissions) for name, (task, submissions) in by_task.items()})

    def task(self, task: Task, submissions: Sequence[Submission]) -> TaskForecast:
        """One task with everybody who is evaluated on it."""
        measured, probed = self._cells(task)
        found = self._found(task, submissions)
        asked = [*(measured if len(found) < len(submissions) else []), *probed]
        ours = [shard for shard in dict.fromkeys(asked) if shard.checkpoint is None and shard not in self.counted]
        self.counted.update(ours)
        shared = workload_of(len(ours), self._left(ours), self.canvas)
        theirs = {True: self._theirs(probed), False: self._theirs([*measured, *probed])}
        nothing_stored = {here: workload_of(len(cells), cells, self.canvas) for here, cells in theirs.items()}

        def of(submission: Submission) -> Workload:
            here = submission.name in found
            digest = self._digest(task, submission) if self._may_be_stored(task, submission) else None
            if digest is None:
                return nothing_stored[here]
            cells = [replace(shard, checkpoint=digest) for shard in theirs[here]]
            return workload_of(len(cells), self._left(cells), self.canvas)

        return TaskForecast(shared, {submission.name: of(submission) for submission in submissions}, found)

    def _cells(self, task: Task) -> tuple[list[Shard], list[Shard]]:
        """Those of the protocol, and those of neighbours and attacks."""
        pairs = PROTOCOLS[self.evaluation.protocol].shards(self.evaluation, task, ANY)
        measured = [shard for pair in pairs for shard in pair if shard is not None]
        return measured, run_probes.plan_probes(self.evaluation, task, ANY).shards if self.probes else []

    @staticmethod
    def _theirs(cells: Iterable[Shard]) -> list[Shard]:
        return [shard for shard in cells if shard.checkpoint is not None]

    def _left(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        """Those that the store lacks."""
        for shard in shards:
            if (self.models is not None and shard.model not in self.models) or shard not in self.evaluation.store:
                yield shard

    def _may_be_stored(self, task: Task, submission: Submission) -> bool:
        promised = checkpoint_of(submission, task).sha256
        if self.models is None:
            return True
        return bool(self.models) and (promised is None or promised in self.models)

    def _digest(self, task: Task, submission: Submission) -> str | None:
        """As promised, else as the weights are: a plan takes the submission at its word, an evaluation does not."""
        checkpoint = checkpoint_of(submission, task)
        if checkpoint.format == "original":
            return self.evaluation.suite.base.digest
        return checkpoint.sha256 or self.evaluation.weights_digest(task, submission)

    def _found(self, task: Task, submissions: Sequence[Submission]) -> frozenset[str]:
        """Submissions whose record would only be repeated; a record that is not there is not asked about one by one."""
        there = {name for folder in self.evaluation.record_folders(task) for name in _listed(folder)}
        candidates = [one for one in submissions if there and self.evaluation.record_path(task, one.name).name in there]
        return frozenset(one.name for one in candidates if self.evaluation.stored_record(task, one))


def _listed(folder: str | os.PathLike[str]) -> Sequence[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def forecast(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], probes: bool = False) -> Forecast:
    """What evaluating the pairs would take; ``probes``: neighbours and attacks too, as if every attack were eligible."""
    return Forecaster(evaluation, probes).forecast(pairs)
