"""One evaluation after the other: plan, generate, judge, assemble, settle, write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unconceal.checkpoints.apply import Applied, apply
from unconceal.diffusion.model import Model, check_latent_space
from unconceal.errors import UsageError
from unconceal.evaluation import assemble, measure, provenance
from unconceal.evaluation.instruments import KID_EXTRACTOR, Instruments
from unconceal.evaluation.settle import settle
from unconceal.evaluation.strip import strip_path, write_strip
from unconceal.generate.identity import Layout
from unconceal.generate.plan import Plan, build_plan
from unconceal.generate.store import Store
from unconceal.generate.worker import Worker, rows_of
from unconceal.judges.finetune import fine_tune
from unconceal.paths import DataRoot, resolve_path
from unconceal.progress import Progress, Silent
from unconceal.specs.digests import canonical_digest
from unconceal.specs.reading import load_submission, load_suite, load_task
from unconceal.specs.record import CheckpointRecord, Curve, Environment, Record, Score, Timing, Verdict, read_record, write_record
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Suite, Tier, TierName
from unconceal.specs.task import Task

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

    def __post_init__(self) -> None:
        if self.tier_name not in self.suite.tiers:
            raise UsageError(f"tier {self.tier_name!r}", f"suite {self.suite.id} has none of that name", f"use {', '.join(self.suite.tiers)}")
        torch.set_num_threads(self.threads)
        self.instruments = Instruments(self.suite, self.root, self.device, getattr(torch, self.dtype))
        self.store = Store(self.root.store)

    @property
    def tier(self) -> Tier:
        return self.suite.tiers[self.tier_name]

    @property
    def layout(self) -> Layout:
        return Layout(self.device, self.dtype, self.threads, self.batch, self.shard)

    def place(self, task: Task, name: str) -> Path:
        """Where the record of a submission lies."""
        folder = self.root.results / self.suite.id / task.id
        return folder / f"{name}.{self.suite.protocol}-{self.tier_name}.json"

    def plan(self, task: Task, submission: Submission) -> Plan:
        """What is to be generated; needs no model, only the checkpoint's digest."""
        checkpoint = checkpoint_of(submission, task)
        digest = checkpoint.sha256 or canonical_digest(checkpoint.model_dump(mode="json"))
        return build_plan(self.suite, self.tier, task, self.suite.base.digest, digest, self.layout)

    def stored(self, task: Task, submission: Submission) -> Record | None:
        """A record that this code, these specs and this checkpoint would only repeat."""
        path = self.place(task, submission.name)
        if not path.exists():
            return None
        record = read_record(path)
        wanted = provenance.spec_digests(self.suite, task, submission)
        return record if wanted == {name: getattr(record.checkpoint, name) for name in wanted} else None

    def golds(self, task: Task) -> list[Record]:
        """The records of the task's golds that exist and belong to today's specs."""
        found = [self.stored(task, load_submission(self.root, f"{self.suite.name}/{name}")) for name in task.golds]
        return [record for record in found if record is not None]

    def measured(self, task: Task, submission: Submission) -> Record:
        """The record without what needs golds: the stored one, or a new measurement."""
        found = self.stored(task, submission)
        if found is not None:
            self.progress.say(f"{submission.name} on {task.id}: record found, not measured again")
            return found
        record, pictures, plan = self.measure(task, submission)
        write_record(record, self.place(task, submission.name))
        write_strip(plan.evaluation, pictures["evaluation"], strip_path(self.place(task, submission.name)))
        return record

    def settled(self, task: Task, record: Record) -> Record:
        """The record read against the golds there are; written when that changed it."""
        fresh = settle(record, self.golds(task), self.suite, task)
        if fresh.digest != record.digest:
            write_record(fresh, self.place(task, record.submission))
        return fresh

    def measure(self, task: Task, submission: Submission) -> tuple[Record, dict[str, measure.Pictures], Plan]:
        """Generate and judge."""
        started = time.perf_counter()
        original, unlearned, applied = self.models(task, submission)
        digest = applied.sha256 or self.suite.base.digest
        plan = build_plan(self.suite, self.tier, task, self.suite.base.digest, digest, self.layout)
        label = f"{submission.name} on {task.id}"
        worker = Worker(self.store, original, unlearned, self.progress.stage(f"{label}: generating", sum(map(rows_of, plan.shards))).advance)
        pictures = measure.generate_all(worker, plan)
        generated = time.perf_counter()
        scores, curves = self.judge(task, plan, pictures, label)
        seconds = {"generate": generated - started, "judge": time.perf_counter() - generated}
        timing = Timing(seconds=seconds, denoiser_evaluations=worker.evaluations)
        return self.record(task, submission, applied, scores, curves, timing), pictures, plan

    def models(self, task: Task, submission: Submission) -> tuple[Model, Model, Applied]:
        """θ and θ*, the latter verified to differ from θ and to share its latent space."""
        checkpoint = checkpoint_of(submission, task)
        path = None if checkpoint.path is None else resolve_path(checkpoint.path, self.root)
        base = self.instruments.base
        pipe, applied = apply(base, path, checkpoint.format, checkpoint.sha256)
        sampler = self.suite.sampler
        original, unlearned = Model(base, sampler.steps, sampler.guidance), Model(pipe, sampler.steps, sampler.guidance)
        if pipe.vae is not base.vae:
            check_latent_space(original, unlearned, original.noise([0, 1]))
        return original, unlearned, applied

    def judge(self, task: Task, plan: Plan, pictures: dict[str, measure.Pictures], label: str) -> tuple[dict[str, Score], list[Curve]]:
        """Every score and curve that needs no gold."""
        tier, k, rules = self.tier, plan.evaluation.k, self.suite.scores
        stage = self.progress.stage(f"{label}: judging", 3 + 2 * len(tier.extractors))
        judge = self.instruments.judge
        seen = pictures["evaluation"]
        curves = assemble.presence_curves(measure.presence(judge, seen, task), k)
        curves += assemble.presence_curves({"prompt": measure.retained(judge, pictures["retain"], task)}, plan.retain.k, "retain")
        stage.advance()
        scores: dict[str, Score] = {}
        for name, values in measure.kid_curves(self.instruments.kid_extractor, seen, pictures["train"]).items():
            curves.append(assemble.plain_curve(name, k, values, plan.evaluation.seeds * len(plan.evaluation.prompts), KID_EXTRACTOR))
            scores[f"{name}.forget"] = assemble.psi_mean_score(k, values, rules, len(plan.evaluation.prompts))
        stage.advance()
        clip = measure.clip_curve(self.instruments.clip, seen, plan.evaluation.prompts)
        curves.append(assemble.curve_of("clip", "forget", k, clip, arm="prompt"))
        scores |= {"clip.original": assemble.score_of(clip[:, -1]), "clip.unlearned": assemble.score_of(clip[:, 0])}
        stage.advance()
        classified, more = self.classify(plan, pictures, stage.advance)
        return scores | classified, curves + more

    def classify(self, plan: Plan, pictures: dict[str, measure.Pictures], advance: Callable[[], None]) -> tuple[dict[str, Score], list[Curve]]:
        """CRS, CCS and AUC of every extractor, both splits."""
        scores: dict[str, Score] = {}
        curves: list[Curve] = []
        means: dict[str, dict[str, dict[str, measure.Values]]] = {"forget": {}, "retain": {}}
        train = pictures["train"]
        for name in self.tier.extractors:
            seed = self.suite.seed_starts.train
            originals, unlearned = measure.flat(train.original), measure.flat(train.unlearned)
            classifier = fine_tune(name, self.instruments.weights[name], originals, unlearned, self.suite.fine_tune, seed, self.device)
            advance()
            retained = pictures["retain reference"]
            splits = {
                "forget": (train, pictures["reference"], pictures["evaluation"], plan.evaluation.k),
                "retain": (retained, retained, pictures["retain"], plan.retain.k),
            }
            for split, (yardstick, held_out, evaluated, k) in splits.items():
                found = measure.classifier_scores(classifier, yardstick, held_out, evaluated)
                parts, values, by_prompt = assemble.classifier_results(split, name, k, self.suite.scores, **vars(found))
                curves += parts
                scores |= values
                means[split][name] = by_prompt
            advance()
        for split, by_extractor in means.items():
            scores |= assemble.over_extractors(split, by_extractor, self.suite.scores)
        return scores, curves

    def record(self, task: Task, submission: Submission, applied: Applied, scores: dict[str, Score], curves: list[Curve], timing: Timing) -> Record:
        """The record of one measurement, not yet settled."""
        found = CheckpointRecord(
            **provenance.spec_digests(self.suite, task, submission), sha256=applied.sha256, format=applied.format, components=applied.components
        )
        environment = Environment(
            **provenance.machine(), device=self.device, dtype=self.dtype, threads=self.threads, batch=self.batch, packages=provenance.packages()
        )
        return Record(
            suite=self.suite.name, suite_version=self.suite.version, task=task.id, submission=submission.name, protocol=self.suite.protocol,
            tier=self.tier_name, verdict=UNSETTLED, scores=scores, curves=tuple(curves), judges=self.instruments.digests, checkpoint=found,
            code=provenance.code(), environment=environment, timing=timing,
        ).sealed()  # fmt: skip


def checkpoint_of(submission: Submission, task: Task) -> Checkpoint:
    """The submission's checkpoint for a task."""
    if task.id not in submission.checkpoints:
        raise UsageError(
            f"{submission.name} on {task.id}", "the submission has no checkpoint for this task", f"choose from {', '.join(submission.checkpoints)}"
        )
    return submission.checkpoints[task.id]


def run(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]]) -> list[Record]:
    """Measure every (task, submission), golds first, then read each against the golds."""
    ordered = sorted(pairs, key=lambda pair: not pair[1].is_gold)
    measured = [(task, evaluation.measured(task, submission)) for task, submission in ordered]
    return [evaluation.settled(task, record) for task, record in measured]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def evaluate(task: str, submission: str, tier: TierName = "full", root: Path | None = None, threads: int | None = None) -> Record:
    """Evaluate one submission on one task and return its record; finished work is found again and not repeated.

    Args:
        task: its id, ``object/star``.
        submission: its name, ``esd-x``.
        tier: ``lite`` or ``full``.
        root: the folder that holds tasks/, submissions/ and results/; see :class:`unconceal.paths.DataRoot`.
        threads: processor threads; all cores by default. Part of the identity of what is generated.

    Raises:
        UnconcealError: a spec, a checkpoint or the environment is at fault; one line says what to do.
    """
    data = DataRoot.find(root)
    loaded = load_task(data, task)
    evaluation = Evaluation(load_suite(data, loaded.suite), data, tier, threads=threads or cores())
    return run(evaluation, [(loaded, load_submission(data, f"{loaded.suite}/{submission}"))])[0]

