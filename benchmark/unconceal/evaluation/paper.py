"""Protocol ``paper``: one submission on one task as released for arXiv 2409.05668, from pictures to a record without a verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.diffusion.pndm_restart import pndm_timesteps, solver
from unconceal.errors import CheckFailed
from unconceal.evaluation.assemble import curve_of, score_of
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.image_scores import Scores
from unconceal.evaluation.standard import with_more
from unconceal.generate.generator import Pixels, branch_name, rows_of
from unconceal.generate.paper_generator import Prompted, RestartedGenerator, plan_prompt
from unconceal.generate.plan import Pair
from unconceal.judges.paper_classifier import fine_tune_released
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.progress import Stage
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.record import CheckpointRecord, Record, Timing, Verdict, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Sampler
from unconceal.specs.task import Task

Split = Literal["forget", "retain"]
Values = NDArray[np.float64]
NO_VERDICT = Verdict(label="undetermined", why="protocol paper reads no golds: it says which model's pictures are near, not what they show")


@dataclass(frozen=True)
class Pictures:
    """Of one prompt: λO, λU uint8 (n, h, w, 3); ``moving`` (ψ, h, w, 3), one λP per ψ."""

    original: Pixels
    unlearned: Pixels
    moving: Pixels


@dataclass
class Reading:
    """What one split's prompts gave, a row each: CCS and the pulls s_O, s_U (p, ψ), and the classifiers' held-out accuracy (p,)."""

    ccs: list[Values] = field(default_factory=list)
    s_o: list[Values] = field(default_factory=list)
    s_u: list[Values] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def prompts_of(paper: PaperProtocol, task: Task) -> dict[Split, list[str]]:
    """The prompts of both splits."""
    return {
        "forget": [prompt.text for prompt in task.forget[: paper.prompts]],
        "retain": [prompt.text for prompt in task.retain[: paper.retain_prompts]],
    }


def plan(evaluation: Evaluation, task: Task, checkpoint: str) -> dict[Split, list[Prompted]]:
    """Every shard, by split and prompt."""
    suite, paper = evaluation.suite, evaluation.suite.as_released
    texts = prompts_of(paper, task)
    return {split: [plan_prompt(suite, paper, text, checkpoint, evaluation.layout) for text in texts[split]] for split in texts}


def pairs(evaluation: Evaluation, task: Task, checkpoint: str) -> list[Pair]:
    """Everything that is to be generated for a checkpoint of that digest."""
    return pairs_of(plan(evaluation, task, checkpoint))


def pairs_of(planned: Mapping[Split, Sequence[Prompted]]) -> list[Pair]:
    """All of a plan's."""
    return [pair for prompts in planned.values() for prompted in prompts for pair in (*prompted.whole, prompted.moving)]


def sampler(evaluation: Evaluation) -> Sampler:
    """The suite's, with the release's steps and guidance."""
    paper = evaluation.suite.as_released
    return evaluation.suite.sampler.model_copy(update={"steps": paper.steps, "guidance": paper.guidance})


def worker(evaluation: Evaluation, task: Task, submission: Submission) -> tuple[RestartedGenerator, AppliedCheckpoint]:
    """Who generates, and what was applied to the base."""
    original, unlearned, applied = evaluation.models(task, submission, sampler(evaluation))
    return RestartedGenerator(evaluation.store, original, unlearned), applied


def original(evaluation: Evaluation) -> RestartedGenerator:
    """Who generates θ's trajectories alone."""
    alone = evaluation.original(sampler(evaluation))
    return RestartedGenerator(evaluation.store, alone, alone)


def measure(evaluation: Evaluation, task: Task, submission: Submission, spent: Timing) -> Record:
    """Generate, fine-tune a classifier per prompt and extractor, score, and write the record. ``spent``: as in ``standard``."""
    if evaluation.suite.family != "stable-diffusion":
        value = f"protocol paper on a suite of {evaluation.suite.family}"
        raise CheckFailed(value, "was released for Stable Diffusion's PNDM alone", "use --protocol standard")
    started, paper = time.perf_counter(), evaluation.suite.as_released
    by, applied = worker(evaluation, task, submission)
    check_solver(tuple(int(t) for t in solver(by.original).timesteps), paper.steps)
    planned = plan(evaluation, task, applied.sha256 or evaluation.suite.base.digest)
    shards = [shard for pair in pairs_of(planned) for shard in pair if shard is not None]
    label = f"{submission.name} on {task.id}, protocol paper: generating"
    by.advance = evaluation.progress.stage(label, sum(map(rows_of, shards))).advance
    by.fill(pairs_of(planned))
    pictures = {split: [generate(by, prompted) for prompted in prompts] for split, prompts in planned.items()}
    spent = with_more(spent, time.perf_counter() - started, by.evaluations)
    checkpoint = evaluation.checkpoint_record(task, submission, applied)
    with evaluation.judging(task, submission) as done:
        return done or judged(evaluation, task, submission, checkpoint, planned, pictures, spent)


def judged(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    checkpoint: CheckpointRecord,
    planned: Mapping[Split, Sequence[Prompted]],
    pictures: Mapping[Split, Sequence[Pictures]],
    spent: Timing,
) -> Record:
    """The record of a plan's pictures, written. ``spent``: what the pictures cost."""
    started, paper = time.perf_counter(), evaluation.suite.as_released
    label = f"{submission.name} on {task.id}, protocol paper: judging"
    judging = evaluation.progress.stage(label, len(paper.extractors) * sum(map(len, pictures.values())))
    found = Scores()
    for name in paper.extractors:
        for split, seen in pictures.items():
            put(found, split, name, planned[split][0].k, read(evaluation, name, seen, judging))
    timing = spent.model_copy(update={"seconds": {**spent.seconds, "judge": time.perf_counter() - started}})
    record = evaluation.record(task, submission, checkpoint, found, timing).model_copy(update={"verdict": NO_VERDICT}).sealed()
    write_record(record, evaluation.place(task, submission.name))
    return record


def check_solver(steps: Sequence[int], planned: int) -> None:
    """Refuse a base whose PNDM evaluates elsewhere than the plan cuts ψ at."""
    if tuple(steps) != pndm_timesteps(planned):
        value = f"the base's PNDM runs t = {steps[0]}, {steps[1]}, … {steps[-1]}"
        raise CheckFailed(value, "a ratio ψ would name another noise level than its record says", "use --protocol standard")


def generate(worker: RestartedGenerator, prompted: Prompted) -> Pictures:
    """λO, λU and λP of one prompt, from the store where it has them."""
    original = [worker.trajectory(ours)["original"] for ours, _ in prompted.whole]
    unlearned = [worker.handover(theirs, ours)[branch_name("prompt", 0)] for ours, theirs in prompted.whole]
    ours, theirs = prompted.moving
    drawn = worker.handover(theirs, ours)
    moving = [drawn[branch_name("prompt", k)] for k in prompted.k.values()]
    return Pictures(np.concatenate(original), np.concatenate(unlearned), np.concatenate(moving))


def read(evaluation: Evaluation, name: str, seen: Sequence[Pictures], stage: Stage) -> Reading:
    """One classifier for every prompt, and what it says of that prompt's λP."""
    found, paper = Reading(), evaluation.suite.as_released
    for number, pictures in enumerate(seen):
        weights = evaluation.instruments.weights(name)
        trained = fine_tune_released(name, weights, pictures.original, pictures.unlearned, paper, number, evaluation.device)
        moving = trained.classifier.read(pictures.moving)
        found.ccs.append(ccs(moving.logits))
        found.s_o.append(crs.affinity(moving.features, trained.classifier.features(pictures.original)))
        found.s_u.append(crs.affinity(moving.features, trained.classifier.features(pictures.unlearned)))
        found.accuracy.append(trained.accuracy)
        stage.advance()
    return found


def put(found: Scores, split: Split, name: str, k: dict[float, int], reading: Reading) -> None:
    """Curves and scores of one split and extractor: plain means over ψ, as released."""
    s_o, s_u = np.stack(reading.s_o), np.stack(reading.s_u)
    curves = {"ccs": np.stack(reading.ccs), "crs.released": crs.released(s_u, s_o, split), "crs.signed": crs.signed(s_u, s_o)}
    for score, values in curves.items():
        found.curves.append(curve_of(score, split, k, values, arm="prompt", extractor=name))
        found.by_name[f"{score}.{split}.{name}"] = score_of(values.mean(axis=1))
    found.by_name[f"accuracy.{split}.{name}"] = score_of(np.asarray(reading.accuracy))
