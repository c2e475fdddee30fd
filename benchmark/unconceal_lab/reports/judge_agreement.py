"""Compare the concept judge with the classifier trained on drawings, on the images that verdicts rest on."""

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
INTRODUCTION = """\
The concept judge is trained by the build and then frozen. Every verdict rests on it. This page compares it with an independent
classifier that was trained on drawings only and is used for no score. Both classify every image after a handover of the evaluation block
(all ψ, both arms).

- *shows it*: number of images in which the classifier sees the task's concept.
- *balanced accuracy*: mean of the judge's sensitivity and specificity against the classifier, with its 95 % confidence interval.
- *gate*: passed if the lower end of the interval is at least {bound:.2f}. With fewer than {min_images} images that show the concept, or
  fewer than {min_images} that do not, no balanced accuracy is given. *equal answers* is then more informative.
- *where sure*: balanced accuracy on the images where the classifier's probability is at least {sure:.2f}. Intermediate images (half a star,
  half a house) have no true label.

The classifier has no class for unreadable images, so it assigns a label even to images of a destroyed model. Such a row carries little
information.
"""
SECOND_OPINION = """\
## Scores from the classifier's answers

Excess retrieval as on the leaderboard, computed from the classifier's answers instead of the judge's. Margin and rules are the same. If a
row leads to the same verdict with both, its verdict does not depend on how intermediate images are labelled.
"""
MIN_IMAGES, MIN_CONFIDENCE = 30, 0.8
AGREEMENT_HEADERS = (
    "task",
    "submission",
    "shows it",
    "balanced accuracy",
    "gate",
    "equal answers",
    "images",
    "where sure",
    "gate ",
    "sure images",
)
OPINION_HEADERS = ("task", "submission", "P(0)", "excess, prompt arm", "excess, empty arm")


def handover_images(evaluation: Evaluation, task: Task, submission: Submission) -> NDArray[np.uint8] | None:
    """Read every image after a handover of the evaluation block from the store.

    Returns:
        (n, height, width, 3) ordered by branch, then prompt, then seed; None if the store lacks an image.
    """
    block = evaluation.plan(task, submission).evaluation
    shards = [evaluation.store.get(shard) for shard in block.handovers]
    names = [branch_name(arm, k) for arm, k in branches(block)]
    parts = [shard[name] for name in names for shard in shards if shard is not None]
    return np.concatenate(parts) if None not in shards else None


def branches(block: Block) -> list[tuple[str, int]]:
    """Arm and handover step of every branch, in order."""
    return [(arm, k) for arm in block.handovers[0].arms for k in sorted(set(block.k.values()))]


def compare_answers(
    evaluation: Evaluation, task: Task, submission: Submission, classifier: nn.Module
) -> tuple[list[str], dict[str, FloatArray]] | None:
    """Compare judge and classifier on the stored images of one submission.

    Args:
        classifier: the drawings classifier.

    Returns:
        A row of the agreement table, and the classifier's rates (see :func:`rates`); None if the images are not stored.
    """
    pixels = handover_images(evaluation, task, submission)
    if pixels is None:
        return None
    head, label = task.judge.head, task.judge.label
    probabilities = class_probabilities(classifier, pixels)
    classifier_labels = [label if name == label else OTHER for name in most_likely_classes(probabilities)[head]]
    judge_labels = [label if shows else OTHER for shows in evaluation.suite_models.judge.shows(pixels, head, label)]
    equal = float(np.mean([first == second for first, second in zip(classifier_labels, judge_labels, strict=True)]))
    confident = np.flatnonzero(probabilities[head].max(1) >= MIN_CONFIDENCE)
    confident_cells = accuracy_cells(
        balanced_accuracy([classifier_labels[i] for i in confident], [judge_labels[i] for i in confident], label)
    )
    cells = accuracy_cells(balanced_accuracy(classifier_labels, judge_labels, label))
    row = [task.id, submission.name, *cells, f"{equal:.3f}", str(len(classifier_labels)), *confident_cells[1:], str(len(confident))]
    shows = np.array([name == label for name in classifier_labels], np.float64)
    return row, rates(evaluation.plan(task, submission).evaluation, shows)


def rates(block: Block, shows: FloatArray) -> dict[str, FloatArray]:
    """Average answers over seeds.

    Args:
        block: the evaluation block.
        shows: (n,) 1 where an image shows the concept, else 0; in the order of :func:`handover_images`.

    Returns:
        Per arm, (prompts, ψ) in [0, 1].
    """
    means = shows.reshape(-1, len(block.prompts), block.seeds).mean(axis=-1)
    by_branch = dict(zip(branches(block), means, strict=True))
    return {arm: np.stack([by_branch[arm, k] for k in block.k.values()], axis=-1) for arm in block.handovers[0].arms}


def second_opinion(evaluation: Evaluation, task: Task, rates_by_submission: Mapping[str, dict[str, FloatArray]]) -> list[list[str]]:
    """Rows of presence at ψ = 0 and excess retrieval in both arms, from the classifier's answers.

    A gold is compared with the other golds only.

    Args:
        rates_by_submission: result of :func:`rates` by submission name.
    """
    golds = [name for name in task.golds if name in rates_by_submission]
    psi, window = evaluation.tier.psi, evaluation.suite.scores.excess_psi
    rows = []
    for name, by_arm in rates_by_submission.items():
        other_golds = [gold for gold in golds if gold != name]
        original_rate = float(by_arm["prompt"][:, -1].mean())
        row = [task.id, name, f"{by_arm['prompt'][:, 0].mean():.2f}"]
        for arm, accuracy in by_arm.items():
            if not other_golds or not original_rate:
                row.append("–")
                continue
            gold_rates = np.stack([rates_by_submission[gold][arm] for gold in other_golds])
            score = mean_score(excess_retrieval(psi, accuracy, gold_rates, original_rate, window))
            row.append(f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]")
        rows.append(row)
    return rows


def accuracy_cells(accuracy: BalancedAccuracy) -> list[str]:
    """Cells of the table: number of images that show the concept, balanced accuracy with its interval, and the gate."""
    if min(accuracy.positives, accuracy.negatives) < MIN_IMAGES:
        return [str(accuracy.positives), "–", "too few"]
    low, high = accuracy.interval
    return [str(accuracy.positives), f"{accuracy.value:.3f} [{low:.3f}, {high:.3f}]", "pass" if low >= MIN_JUDGE_ACCURACY else "FAIL"]


def agreement_page(evaluation: Evaluation, pairs: Iterable[tuple[Task, Submission]], classifier: nn.Module) -> str:
    """Render the page as Markdown, for all pairs whose images are stored.

    Raises:
        CheckFailed: no pair has stored images.
    """
    rows: list[list[str]] = []
    rates_by_task: dict[Task, dict[str, dict[str, FloatArray]]] = {}
    for task, submission in pairs:
        comparison = compare_answers(evaluation, task, submission, classifier)
        if comparison is not None:
            rows.append(comparison[0])
            rates_by_task.setdefault(task, {})[submission.name] = comparison[1]
    if not rows:
        value = f"{evaluation.tier_name} tier on {evaluation.threads} threads"
        consequence = "no images of it are stored, so there is nothing to compare"
        raise CheckFailed("report.no-images", value, consequence, "run `unconceal run` with the same settings first")
    agreement = tabulate(rows, headers=AGREEMENT_HEADERS, tablefmt="github", disable_numparse=True)
    opinion_rows = [row for task, by_submission in rates_by_task.items() for row in second_opinion(evaluation, task, by_submission)]
    opinions = tabulate(opinion_rows, headers=OPINION_HEADERS, tablefmt="github", disable_numparse=True)
    introduction = INTRODUCTION.format(bound=MIN_JUDGE_ACCURACY, min_images=MIN_IMAGES, sure=MIN_CONFIDENCE)
    return f"# The concept judge compared with the drawings classifier\n\n{introduction}\n{agreement}\n\n{SECOND_OPINION}\n{opinions}\n"
