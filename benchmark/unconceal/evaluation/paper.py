"""Protocol ``paper``: one submission on one task as released for arXiv 2409.05668; the record has no verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.diffusion.pndm_restart import pndm_scheduler, pndm_timesteps
from unconceal.errors import CheckFailed
from unconceal.evaluation.curves import make_curve, mean_score
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.image_scores import Scores
from unconceal.evaluation.standard import add_phase
from unconceal.generate.generator import Pixels, branch_name, count_forward_passes
from unconceal.generate.paper_generator import PromptPlan, RestartedGenerator, plan_prompt
from unconceal.generate.plan import ShardPair
from unconceal.judges.paper_classifier import fine_tune_as_released
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.metrics.statistics import FloatArray
from unconceal.progress import Stage
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.record import UNSPENT, CheckpointRecord, Record, Timing, Verdict, write_record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Sampler
from unconceal.specs.task import Task

Split = Literal["forget", "retain"]
NO_VERDICT = Verdict(
    label="undetermined", reason="protocol paper uses no golds: it measures which model's images are closer, not what they show"
)


@dataclass(frozen=True)
class PromptImages:
    """The images of one prompt: λO and λU, uint8 (n, h, w, 3); ``handovers``: one λP per ψ, (ψ, h, w, 3)."""

    original: Pixels
    unlearned: Pixels
    handovers: Pixels


@dataclass
class SplitScores:
    """Scores of one split, one entry per prompt: CCS and the dissimilarities s_O, s_U (ψ,), and the classifier's held-out accuracy."""

    ccs: list[FloatArray] = field(default_factory=list)
    s_o: list[FloatArray] = field(default_factory=list)
    s_u: list[FloatArray] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def prompts_by_split(paper: PaperProtocol, task: Task) -> dict[Split, list[str]]:
    """The prompts of both splits."""
    return {
        "forget": [prompt.text for prompt in task.forget[: paper.n_prompts]],
        "retain": [prompt.text for prompt in task.retain[: paper.n_retain_prompts]],
    }


def plan_evaluation(evaluation: Evaluation, task: Task, checkpoint: str) -> dict[Split, list[PromptPlan]]:
    """Every shard, by split and prompt."""
    suite, paper, compute = evaluation.suite, evaluation.suite.paper_protocol, evaluation.compute_config
    prompts = prompts_by_split(paper, task)
    return {split: [plan_prompt(suite, paper, text, checkpoint, compute) for text in texts] for split, texts in prompts.items()}


def shards(evaluation: Evaluation, task: Task, checkpoint: str) -> list[ShardPair]:
    """Everything to generate for a checkpoint of that digest."""
    return shard_pairs(plan_evaluation(evaluation, task, checkpoint))


def shard_pairs(plan: Mapping[Split, Sequence[PromptPlan]]) -> list[ShardPair]:
    """All shards of a plan."""
    return [pair for prompts in plan.values() for prompt in prompts for pair in (*prompt.full_runs, prompt.handover_run)]


def paper_sampler(evaluation: Evaluation) -> Sampler:
    """The suite's sampler with the steps and the guidance of the release."""
    paper = evaluation.suite.paper_protocol
    return evaluation.suite.sampler.model_copy(
        update={"num_inference_steps": paper.num_inference_steps, "guidance_scale": paper.guidance_scale}
    )


def load(evaluation: Evaluation, task: Task, submission: Submission) -> tuple[RestartedGenerator, AppliedCheckpoint]:
    """Load θ and θ*.

    Raises:
        CheckFailed: the base is no Stable Diffusion model, or its PNDM solver has other timesteps than the plan.
    """
    if evaluation.suite.family != "stable-diffusion":
        value = f"protocol paper on a suite of {evaluation.suite.family}"
        raise CheckFailed("protocol.wrong-family", value, "was released for Stable Diffusion's PNDM only", "use --protocol standard")
    original, unlearned, applied = evaluation.models(task, submission, paper_sampler(evaluation))
    check_solver(tuple(int(t) for t in pndm_scheduler(original).timesteps), evaluation.suite.paper_protocol.num_inference_steps)
    return RestartedGenerator(evaluation.store, original, unlearned), applied


def measure(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    generator: RestartedGenerator,
    applied: AppliedCheckpoint,
    timing: Timing = UNSPENT,
) -> Record:
    """Generate what the store lacks, fine-tune one classifier per prompt and extractor, score, and write the record.

    Arguments as of :func:`unconceal.evaluation.standard.measure`.
    """
    started, passes_before = time.perf_counter(), generator.forward_passes
    plan = plan_evaluation(evaluation, task, applied.sha256 or evaluation.suite.base.digest)
    pairs = shard_pairs(plan)
    total = sum(count_forward_passes(shard, generator.unlearned.rule) for pair in pairs for shard in pair if shard is not None)
    label = f"{submission.name} on {task.id}, protocol paper: reading images"
    generator.report_to(evaluation.progress.stage(label, total).advance)
    generator.generate_missing(pairs)
    images = {split: [generate(generator, prompt) for prompt in prompts] for split, prompts in plan.items()}
    timing = add_phase(timing, "generate", time.perf_counter() - started, generator.forward_passes - passes_before)
    checkpoint = evaluation.checkpoint_record(task, submission, applied)
    with evaluation.record_lock(task, submission) as stored:
        return stored or score(evaluation, task, submission, checkpoint, plan, images, timing)


def score(
    evaluation: Evaluation,
    task: Task,
    submission: Submission,
    checkpoint: CheckpointRecord,
    plan: Mapping[Split, Sequence[PromptPlan]],
    images: Mapping[Split, Sequence[PromptImages]],
    timing: Timing,
) -> Record:
    """Score the images of a plan and write the record. ``timing``: cost of the images."""
    started, paper = time.perf_counter(), evaluation.suite.paper_protocol
    label = f"{submission.name} on {task.id}, protocol paper: judging"
    stage = evaluation.progress.stage(label, len(paper.extractors) * sum(map(len, images.values())))
    scores = Scores()
    for extractor in paper.extractors:
        for split, prompts in images.items():
            add_split(scores, split, extractor, plan[split][0].k, score_split(evaluation, extractor, prompts, stage))
    timing = timing.model_copy(update={"seconds": {**timing.seconds, "judge": time.perf_counter() - started}})
    record = evaluation.record(task, submission, checkpoint, scores, timing).model_copy(update={"verdict": NO_VERDICT}).sealed()
    write_record(record, evaluation.record_path(task, submission.name))
    return record


def check_solver(timesteps: Sequence[int], num_inference_steps: int) -> None:
    """Check that the base's PNDM solver has the timesteps at which the plan hands over.

    Raises:
        CheckFailed: it has others.
    """
    if tuple(timesteps) != pndm_timesteps(num_inference_steps):
        value = f"the base's PNDM runs t = {timesteps[0]}, {timesteps[1]}, … {timesteps[-1]}"
        consequence = "a ratio ψ would mean another noise level than the record states"
        raise CheckFailed("schedule.mismatch", value, consequence, "use --protocol standard")


def generate(generator: RestartedGenerator, prompt: PromptPlan) -> PromptImages:
    """λO, λU and λP of one prompt, from the store where it has them."""
    original = [generator.trajectory(trajectory)["original"] for trajectory, _ in prompt.full_runs]
    unlearned = [generator.handover(handover, trajectory)[branch_name("prompt", 0)] for trajectory, handover in prompt.full_runs]
    trajectory, handover = prompt.handover_run
    branches = generator.handover(handover, trajectory)
    handovers = [branches[branch_name("prompt", k)] for k in prompt.k.values()]
    return PromptImages(np.concatenate(original), np.concatenate(unlearned), np.concatenate(handovers))


def score_split(evaluation: Evaluation, extractor: str, prompts: Sequence[PromptImages], stage: Stage) -> SplitScores:
    """Fine-tune one classifier per prompt, and score that prompt's λP with it."""
    scores, paper = SplitScores(), evaluation.suite.paper_protocol
    weights = evaluation.suite_models.weights(extractor)
    for index, images in enumerate(prompts):
        trained = fine_tune_as_released(extractor, weights, images.original, images.unlearned, paper, index, evaluation.device)
        outputs = trained.classifier.predict(images.handovers)
        scores.ccs.append(ccs(outputs.logits))
        scores.s_o.append(crs.mean_dissimilarity(outputs.features, trained.classifier.features(images.original)))
        scores.s_u.append(crs.mean_dissimilarity(outputs.features, trained.classifier.features(images.unlearned)))
        scores.accuracy.append(trained.accuracy)
        stage.advance()
    return scores


def add_split(scores: Scores, split: Split, extractor: str, k: dict[float, int], split_scores: SplitScores) -> None:
    """Add the curves and scores of one split and extractor: plain means over ψ, as released."""
    s_o, s_u = np.stack(split_scores.s_o), np.stack(split_scores.s_u)
    curves = {"ccs": np.stack(split_scores.ccs), "crs.released": crs.released(s_u, s_o, split), "crs.signed": crs.signed(s_u, s_o)}
    for name, values in curves.items():
        scores.curves.append(make_curve(name, split, k, values, arm="prompt", extractor=extractor))
        scores.by_name[f"{name}.{split}.{extractor}"] = mean_score(values.mean(axis=1))
    scores.by_name[f"accuracy.{split}.{extractor}"] = mean_score(np.asarray(split_scores.accuracy))
