"""Whether the concept judge sees what the classifier trained on drawings sees, on the very pictures that verdicts rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate
from torch import nn

from unconceal.errors import CheckFailed
from unconceal.evaluation.curves import mean_score
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import branch_name
from unconceal.generate.plan import Block
from unconceal.judges.concept_judge import BalancedAccuracy, balanced_accuracy
from unconceal.metrics.presence import excess_retrieval
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task
from unconceal_lab.build.model_gates import MIN_JUDGE_ACCURACY
from unconceal_lab.models.classifiers import class_probabilities, most_likely_classes

OTHER = "something else"
EXPLAINED = """\
The concept judge is trained by the build and then frozen; every verdict rests on it. This table holds it against an independent
classifier, which was trained on drawings alone and which no score uses, on every handed-over picture of the evaluation block (all ψ,
both arms), method by method. *Shows it*: pictures in which that classifier sees the task's concept. Balanced accuracy is the mean of
sensitivity and specificity, with the 95 % interval; its lower bound should reach {bound:.2f}. Where fewer than {least} pictures show the
concept, or fewer than {least} do not, sensitivity or specificity is hardly measured, and the share of equal answers says more.

Half-way pictures (half a star, half a house) have no true answer. *Where sure* counts only those of which the classifier is at least
{sure:.2f} sure. It knows no "unreadable", so of a destroyed model's pictures it says something all the same: that row tells little.
"""
SECOND = """\
## What the classifier would have said

The same excess as on the leaderboard, with the classifier's answers in place of the judge's, margin and rules unchanged. Rows whose numbers
lead to the same verdict under both do not depend on which of the two is right about half-made pictures.
"""
LEAST, SURE = 30, 0.8


def pictures(evaluation: Evaluation, task: Task, submission: Submission) -> NDArray[np.uint8] | None:
    """Every handed-over picture (n, h, w, 3) of the evaluation block, by branch and prompt; None where the store lacks one."""
    block = evaluation.plan(task, submission).evaluation
    shards = [evaluation.store.get(shard) for shard in block.handovers]
    names = [branch_name(arm, k) for arm, k in branches(block)]
    parts = [shard[name] for name in names for shard in shards if shard is not None]
    return np.concatenate(parts) if None not in shards else None


def branches(block: Block) -> list[tuple[str, int]]:
    """Arm and handover step of every branch, in order."""
    return [(arm, k) for arm in block.handovers[0].arms for k in sorted(set(block.k.values()))]


def compared(
    evaluation: Evaluation, task: Task, submission: Submission, truth: nn.Module
) -> tuple[list[str], dict[str, FloatArray]] | None:
    """One line of the table, and the classifier's rates (see :func:`rates`); None where the pictures are not stored."""
    pixels = pictures(evaluation, task, submission)
    if pixels is None:
        return None
    head, label = task.judge.head, task.judge.label
    likely = class_probabilities(truth, pixels)
    classifier_labels = [label if name == label else OTHER for name in most_likely_classes(likely)[head]]
    judge_labels = [label if shows else OTHER for shows in evaluation.suite_models.judge.shows(pixels, head, label)]
    equal = float(np.mean([first == other for first, other in zip(classifier_labels, judge_labels, strict=True)]))
    sure = np.flatnonzero(likely[head].max(1) >= SURE)
    surely = accuracy_cells(balanced_accuracy([classifier_labels[i] for i in sure], [judge_labels[i] for i in sure], label))
    everywhere = accuracy_cells(balanced_accuracy(classifier_labels, judge_labels, label))
    line = [task.id, submission.name, *everywhere, f"{equal:.3f}", str(len(classifier_labels)), *surely[1:], str(len(sure))]
    return line, rates(evaluation.plan(task, submission).evaluation, np.array([name == label for name in classifier_labels], np.float64))


def rates(block: Block, shows: FloatArray) -> dict[str, FloatArray]:
    """Answers (n,) in the order of :func:`pictures` as each prompt's rate, (prompts, ψ) per arm."""
    means = shows.reshape(-1, len(block.prompts), block.seeds).mean(axis=-1)
    by_branch = dict(zip(branches(block), means, strict=True))
    return {arm: np.stack([by_branch[arm, k] for k in block.k.values()], axis=-1) for arm in block.handovers[0].arms}


def second_opinion(evaluation: Evaluation, task: Task, rows: Mapping[str, dict[str, FloatArray]]) -> list[list[str]]:
    """Each row's rate at ψ = 0 and its excess in both arms, as a verdict reads them, by the classifier's answers. Golds leave one out."""
    golds = [name for name in task.golds if name in rows]
    psi, window = evaluation.tier.psi, evaluation.suite.scores.excess_psi
    lines = []
    for name, by_arm in rows.items():
        others = [gold for gold in golds if gold != name]
        own = float(by_arm["prompt"][:, -1].mean())
        line = [task.id, name, f"{by_arm['prompt'][:, 0].mean():.2f}"]
        for arm, accuracy in by_arm.items():
            if not others or not own:
                line.append("–")
                continue
            score = mean_score(excess_retrieval(psi, accuracy, np.stack([rows[gold][arm] for gold in others]), own, window))
            line.append(f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]")
        lines.append(line)
    return lines


def accuracy_cells(accuracy: BalancedAccuracy) -> list[str]:
    """How many show the concept, balanced accuracy, and whether its lower bound reaches the gate."""
    if min(accuracy.positives, accuracy.negatives) < LEAST:
        return [str(accuracy.positives), "–", "too few to say"]
    low, high = accuracy.interval
    return [str(accuracy.positives), f"{accuracy.value:.3f} [{low:.3f}, {high:.3f}]", "pass" if low >= MIN_JUDGE_ACCURACY else "FAIL"]


def agreement_page(evaluation: Evaluation, pairs: Iterable[tuple[Task, Submission]], truth: nn.Module) -> str:
    """The document's text over all pairs whose pictures are stored.

    Raises:
        CheckFailed: none are.
    """
    rows: list[list[str]] = []
    curves_by_task: dict[Task, dict[str, dict[str, FloatArray]]] = {}
    for task, submission in pairs:
        comparison = compared(evaluation, task, submission, truth)
        if comparison is not None:
            rows.append(comparison[0])
            curves_by_task.setdefault(task, {})[submission.name] = comparison[1]
    if not rows:
        what = f"{evaluation.tier_name} tier on {evaluation.threads} threads"
        consequence = "no pictures of it are stored, so there is nothing to compare"
        raise CheckFailed("report.no-images", what, consequence, "run `unconceal run` with the same settings first")
    headers = ("task", "row", "shows it", "balanced accuracy", "gate", "equal answers", "pictures", "where sure", "gate ", "sure of")
    lines = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    opinions = [line for task, curves in curves_by_task.items() for line in second_opinion(evaluation, task, curves)]
    header = ("task", "row", "P(0)", "excess, prompt arm", "excess, empty arm")
    second = tabulate(opinions, headers=header, tablefmt="github", disable_numparse=True)
    intro = EXPLAINED.format(bound=MIN_JUDGE_ACCURACY, least=LEAST, sure=SURE)
    return f"# The concept judge against the drawings classifier\n\n{intro}\n{lines}\n\n{SECOND}\n{second}\n"
