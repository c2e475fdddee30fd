"""The concept judge held against another classifier, on pictures of random weights."""

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


def test_what_is_told_of_a_balanced_accuracy() -> None:
    assert judge_agreement.accuracy_cells(BalancedAccuracy(0.97, Interval(0.94, 0.99), 50, 60)) == ["50", "0.970 [0.940, 0.990]", "pass"]
    assert judge_agreement.accuracy_cells(BalancedAccuracy(0.93, Interval(0.89, 0.96), 50, 60))[-1] == "FAIL"
    assert judge_agreement.accuracy_cells(BalancedAccuracy(1.0, Interval(0.5, 1.0), 2, 90)) == ["2", "–", "too few"]


def test_every_stored_picture_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "lite", shard_size=8)
    task, submission = load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")
    nothing = torch.nn.Identity()
    assert judge_agreement.compare_answers(evaluation, task, submission, nothing) is None, "nothing is generated yet"
    with raises("report.no-images"):
        judge_agreement.agreement_page(evaluation, [(task, submission)], nothing)
    schedule(evaluation, [(task, submission)])
    block = evaluation.plan(task, submission).evaluation
    expected = len(block.prompts) * block.seeds * len(set(block.k.values())) * len(block.handovers[0].arms)
    pixels = judge_agreement.handover_images(evaluation, task, submission)
    assert pixels is not None and pixels.shape[0] == expected and pixels.dtype == np.uint8
    judged = evaluation.suite_models.judge.shows(pixels, task.judge.head, task.judge.label)
    # A classifier that says what the judge says, but for the first ten pictures.
    message = ["star" if shows else "circle" for shows in judged]
    message[:10] = ["circle" if name == "star" else "star" for name in message[:10]]
    # It is sure of all but the last five.
    names = classifiers.HEADS["subject"]
    likely = np.full((expected, len(names)), 0.01, np.float32)
    likely[np.arange(expected), [names.index(name) for name in message]] = 0.9
    likely[-5:] *= 0.5
    monkeypatch.setattr(judge_agreement, "class_probabilities", lambda model, pixels: {"subject": likely})
    text = judge_agreement.agreement_page(evaluation, [(task, submission)], nothing)
    assert f"{1 - 10 / expected:.3f}" in text and str(message.count("star")) in text and "esd-x" in text and str(expected - 5) in text


def test_the_second_opinion_leaves_a_gold_out_of_its_own_yardstick(tmp_path: Path) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "lite", shard_size=8)
    task = load_task(root, "tiny:object/star")
    shape = (len(task.forget), len(evaluation.tier.psi))
    item, two = np.zeros(shape), np.full(shape, 0.2)
    item[:, -1] = two[:, -1] = 1
    all_of_it = np.ones(shape)
    rows = {"control-gold-1": item, "control-gold-2": two, "esd-x": all_of_it}
    by_arm = {name: {"prompt": rates, "empty": rates} for name, rates in rows.items()}
    result = {line[1]: line[2:] for line in judge_agreement.second_opinion(evaluation, task, by_arm)}
    assert result["control-gold-1"][0] == "0.00" and result["control-gold-1"][1].startswith("-0.2")
    assert result["control-gold-2"][1].startswith("0.2") and result["esd-x"][:2] == ["1.00", result["esd-x"][2]]
    assert float(result["esd-x"][1].split()[0]) > 0.8


def test_rates_keep_prompts_and_handovers_apart(tmp_path: Path) -> None:
    """Answers that name their own place, put where they belong."""
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "lite", shard_size=8)
    block = evaluation.plan(load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")).evaluation
    prompts = len(block.prompts)
    numbers = range(len(judge_agreement.branches(block)))
    places = [100 * number + prompt for number in numbers for prompt in range(prompts) for _ in range(block.seeds)]
    result = judge_agreement.rates(block, np.array(places, float))
    for arm, by_prompt in result.items():
        for column, k in enumerate(block.k.values()):
            expected = 100 * judge_agreement.branches(block).index((arm, k)) + np.arange(prompts)
            assert np.array_equal(by_prompt[:, column], expected)
