"""The concept judge compared with another classifier, on images of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codes import raises
from evaluation.tiny import tiny_root
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.judges.concept_judge import BalancedAccuracy
from unconceal.metrics.statistics import Interval
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal_lab.models import classifiers
from unconceal_lab.reports import judge_agreement


def test_accuracy_cells() -> None:
    assert judge_agreement.accuracy_cells(BalancedAccuracy(0.97, Interval(0.94, 0.99), 50, 60)) == ["50", "0.970 [0.940, 0.990]", "pass"]
    assert judge_agreement.accuracy_cells(BalancedAccuracy(0.93, Interval(0.89, 0.96), 50, 60))[-1] == "FAIL"
    assert judge_agreement.accuracy_cells(BalancedAccuracy(1.0, Interval(0.5, 1.0), 2, 90)) == ["2", "–", "too few"]


def test_every_stored_image_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)
    task, submission = load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")
    classifier = torch.nn.Identity()
    assert judge_agreement.compare_answers(evaluation, task, submission, classifier) is None, "nothing is generated yet"
    with raises("report.no-images"):
        judge_agreement.agreement_page(evaluation, [(task, submission)], classifier)
    schedule(evaluation, [(task, submission)])
    block = evaluation.plan(task, submission).evaluation
    expected = len(block.prompts) * block.seeds * len(set(block.k.values())) * len(block.handovers[0].arms)
    pixels = judge_agreement.handover_images(evaluation, task, submission)
    assert pixels is not None and pixels.shape[0] == expected and pixels.dtype == np.uint8
    judge_answers = evaluation.suite_models.judge.shows(pixels, task.judge.head, task.judge.label)
    # The classifier agrees with the judge except on the first ten images.
    labels = ["star" if shows else "circle" for shows in judge_answers]
    labels[:10] = ["circle" if name == "star" else "star" for name in labels[:10]]
    # It is confident on all but the last five.
    names = classifiers.HEADS["subject"]
    probabilities = np.full((expected, len(names)), 0.01, np.float32)
    probabilities[np.arange(expected), [names.index(name) for name in labels]] = 0.9
    probabilities[-5:] *= 0.5
    monkeypatch.setattr(judge_agreement, "class_probabilities", lambda model, pixels: {"subject": probabilities})
    text = judge_agreement.agreement_page(evaluation, [(task, submission)], classifier)
    assert f"{1 - 10 / expected:.3f}" in text and str(labels.count("star")) in text and "esd-x" in text and str(expected - 5) in text


def test_second_opinion_compares_a_gold_with_the_other_golds(tmp_path: Path) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)
    task = load_task(root, "tiny:object/star")
    shape = (len(task.forget), len(evaluation.tier.psi))
    first_gold, second_gold = np.zeros(shape), np.full(shape, 0.2)
    first_gold[:, -1] = second_gold[:, -1] = 1
    ones = np.ones(shape)
    curves = {"control-gold-1": first_gold, "control-gold-2": second_gold, "esd-x": ones}
    by_arm = {name: {"prompt": rates, "empty": rates} for name, rates in curves.items()}
    result = {row[1]: row[2:] for row in judge_agreement.second_opinion(evaluation, task, by_arm)}
    assert result["control-gold-1"][0] == "0.00" and result["control-gold-1"][1].startswith("-0.2")
    assert result["control-gold-2"][1].startswith("0.2") and result["esd-x"][:2] == ["1.00", result["esd-x"][2]]
    assert float(result["esd-x"][1].split()[0]) > 0.8


def test_rates_by_prompt_and_handover(tmp_path: Path) -> None:
    """Each answer encodes its own branch and prompt."""
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)
    block = evaluation.plan(load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")).evaluation
    prompts = len(block.prompts)
    numbers = range(len(judge_agreement.branches(block)))
    answers = [100 * number + prompt for number in numbers for prompt in range(prompts) for _ in range(block.seeds)]
    result = judge_agreement.rates(block, np.array(answers, float))
    for arm, by_prompt in result.items():
        for column, k in enumerate(block.k.values()):
            expected = 100 * judge_agreement.branches(block).index((arm, k)) + np.arange(prompts)
            assert np.array_equal(by_prompt[:, column], expected)
