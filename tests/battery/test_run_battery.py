"""The battery on a suite of random weights: the store, failures, and what is shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from battery.small import SMALL, count_passes
from evaluation.tiny import tiny_root
from unconceal.battery import PROBES, run_battery
from unconceal.battery.probe import BatteryPlan, Cost, Probe, diverged
from unconceal.battery.run_battery import measure_battery, rates
from unconceal.errors import UsageError
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.suite_models import SuiteModels
from unconceal.generate.generator import Generator
from unconceal.specs.battery import ProbeName
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import ProbeMeasurement

ASKED: tuple[ProbeName, ...] = ("renoising", "weight-edits")


class Everywhere:
    """A judge that sees the concept in every image."""

    def shows(self, pixels: Any, head: str, label: str) -> Any:
        return np.ones(len(pixels), bool)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluation]:
    root = tiny_root(tmp_path_factory.mktemp("tiny"))
    suite = load_suite(root, "tiny")
    tier = suite.tiers["quick"].model_copy(update={"probes": ASKED, "n_prompts": 4})
    suite = suite.model_copy(update={"tiers": {"quick": tier}, "battery": SMALL})
    with pytest.MonkeyPatch.context() as patched:
        evaluation = Evaluation(suite, root, "quick", shard_size=8)
        patched.setattr(SuiteModels, "judge_for", lambda self, task: Everywhere())
        yield evaluation


def measure(evaluation: Evaluation, name: str) -> tuple[dict[str, ProbeMeasurement], Any]:
    task, submission = load_task(evaluation.root, "tiny:object/star"), load_submission(evaluation.root, f"tiny/{name}")
    original, unlearned, applied = evaluation.models(task, submission)
    generator = Generator(evaluation.store, original, unlearned)
    return measure_battery(evaluation, task, name, generator, applied.sha256 or evaluation.suite.base.digest)


@pytest.fixture(scope="module")
def first(evaluation: Evaluation) -> tuple[dict[str, ProbeMeasurement], Any]:
    return measure(evaluation, "esd-x")


def test_every_probe_of_the_tier_is_measured(first: tuple[dict[str, ProbeMeasurement], Any]) -> None:
    results, timing = first
    assert tuple(results) == ASKED
    renoising = results["renoising"]
    assert renoising.error is None and np.shape(renoising.per_prompt) == np.shape(renoising.original) == (4, len(renoising.levels))
    assert set(np.ravel(renoising.per_prompt)) == {1.0}
    assert timing.forward_passes == 2 * sum(result.forward_passes for result in results.values())
    assert set(timing.seconds) == set(ASKED) and all(seconds > 0 for seconds in timing.seconds.values())


def test_a_second_run_calls_no_model(
    evaluation: Evaluation, first: tuple[dict[str, ProbeMeasurement], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, _, _ = evaluation.models(
        load_task(evaluation.root, "tiny:object/star"), load_submission(evaluation.root, "tiny/control-original")
    )
    passes = count_passes(monkeypatch, original)
    results, timing = measure(evaluation, "esd-x")
    assert results == first[0] and passes.forward == timing.forward_passes == 0 and not timing.seconds


def test_the_originals_answers_are_shared(
    evaluation: Evaluation, first: tuple[dict[str, ProbeMeasurement], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another submission costs its own images only, and θ as a submission nothing."""
    another, timing = measure(evaluation, "control-gold-1")
    assert timing.forward_passes == sum(result.forward_passes for result in another.values())
    assert all(another[probe].original == first[0][probe].original for probe in ASKED)
    itself, timing = measure(evaluation, "control-original")
    assert timing.forward_passes == 0
    assert all(result.per_prompt == result.original for result in itself.values())


def failing(error: Exception) -> Probe:
    def generate(inputs: Any) -> Any:
        raise error

    return Probe(lambda scope: BatteryPlan(1, ("level",), ("level",), Cost(5, 1)), generate)


@pytest.mark.parametrize(
    ("probe", "code"),
    [("diverging", "probe.diverged"), ("unsupported", "probe.unsupported")],
)
def test_a_probe_that_fails_is_recorded_and_the_others_go_on(
    evaluation: Evaluation, first: tuple[dict[str, ProbeMeasurement], Any], probe: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = diverged("the loss is nan") if probe == "diverging" else NotImplementedError("no such layers")
    monkeypatch.setattr(run_battery, "PROBES", {**PROBES, "renoising": failing(error)})
    monkeypatch.setattr(run_battery, "probe_shard", _elsewhere(run_battery.probe_shard))
    results, _ = measure(evaluation, "esd-x")
    assert results["renoising"].error == code and not results["renoising"].per_prompt and results["renoising"].backward_passes == 1
    assert results["weight-edits"] == first[0]["weight-edits"]


def _elsewhere(probe_shard: Any) -> Any:
    """Renoising is stored under another key, so that nothing stored stands in for it."""

    def key(evaluation: Any, task: Any, probe: Any, checkpoint: Any) -> Any:
        shard = probe_shard(evaluation, task, probe, checkpoint)
        return replace(shard, settings="0" * 64) if probe == "renoising" else shard

    return key


def test_a_mistake_of_the_caller_is_no_failure_of_a_probe(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake = UsageError("judge.unknown-label", "subject 'unicorn'", "the concept judge does not know it", "choose another")
    monkeypatch.setattr(run_battery, "PROBES", {**PROBES, "renoising": failing(mistake)})
    monkeypatch.setattr(run_battery, "probe_shard", _elsewhere(run_battery.probe_shard))
    with pytest.raises(UsageError):
        measure(evaluation, "esd-x")


def test_rates_are_means_or_majorities() -> None:
    """Two prompts, three seeds, two levels."""
    answers = np.array([[[1, 0], [1, 0], [0, 1]], [[0, 1], [0, 1], [0, 1]]], float)
    assert rates(answers) == ((2 / 3, 1 / 3), (0, 1))
    assert rates(answers, by_majority=True) == ((1, 0), (0, 1))
    assert rates(answers[:, :2], by_majority=True)[0] == (1, 0)
