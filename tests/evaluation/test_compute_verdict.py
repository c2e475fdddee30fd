"""Excess and verdict from curves alone, against arithmetic done here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.tiny import suite_yaml, task_yaml
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.curves import ORIGINAL_PRESENCE, presence_curves
from unconceal.paths import DataRoot
from unconceal.specs.inference_rule import NegativePrompt
from unconceal.specs.loader import load_suite, load_task
from unconceal.specs.record import CheckpointRecord, Code, Environment, ProbeMeasurement, Record, Verdict
from unconceal.specs.spec import UNPINNED
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

PSI = {0.0: 0, 0.25: 1, 0.55: 2, 1.0: 4}
PROMPTS, SEEDS, RETAIN = 12, 4, 12


@pytest.fixture
def specs(tmp_path: Path) -> tuple[Suite, Task]:
    parts = {name: (f"models/{name}", UNPINNED) for name in ("base", "judge", "resnet18", "clip")}
    for name, text in {"tasks/tiny/suite.yaml": suite_yaml(parts), "tasks/tiny/object/star.yaml": task_yaml()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    root = DataRoot.find(tmp_path)
    suite = load_suite(root, "tiny")
    # 24 pictures cannot prove an excess below the default margin.
    wide, tier = suite.scores.model_copy(update={"margin": 0.15}), suite.tiers["quick"].model_copy(update={"probes": ("relearning",)})
    return suite.model_copy(update={"scores": wide, "tiers": {"quick": tier}}), load_task(root, "tiny:object/star")


def battery(**rates: float) -> dict[str, ProbeMeasurement]:
    """Probes of one scored level at the given rates (multiples of 1 / SEEDS); θ always shows the concept."""
    fields = {"levels": ("weak", "strong"), "scored": ("strong",), "images_per_prompt": SEEDS}
    return {
        name: ProbeMeasurement.model_validate(fields | {"per_prompt": [[0, rate]] * PROMPTS, "original": [[1, 1]] * PROMPTS})
        for name, rate in rates.items()
    }


def record(
    name: str,
    prompt: list[float],
    empty: list[float],
    retain: tuple[float, float] = (1, 1),
    retain_empty: tuple[float, float] = (0.5, 1),
    probes: dict[str, ProbeMeasurement] | None = None,
) -> Record:
    """A record whose prompts all show the concept at the given rates over ψ (multiples of 1 / SEEDS).

    ``retain_empty``: of the retained concepts continued unconditionally, where θ's own rates are .5 and 1. ``probes``: of the battery.
    """

    def answers(rates: list[float], prompts: int) -> NDArray[np.float64]:
        visible = np.array([[number < round(rate * SEEDS) for rate in rates] for number in range(SEEDS)], float)
        return np.repeat(visible[None], prompts, axis=0)

    curves = presence_curves({"prompt": answers(prompt, PROMPTS), "empty": answers(empty, PROMPTS)}, PSI)
    retained = {"prompt": answers(list(retain), RETAIN), "empty": answers(list(retain_empty), RETAIN)}
    curves += presence_curves(retained, {0.0: 0, 1.0: 4}, "retain")
    curves += presence_curves({"empty": answers([0.5, 1], RETAIN)}, {0.0: 0, 1.0: 4}, "retain", ORIGINAL_PRESENCE)
    return Record(
        suite="tiny",
        suite_version=1,
        task="object/star",
        submission=name,
        protocol="standard",
        tier="quick",
        verdict=Verdict(label="undetermined", reason=""),
        curves=tuple(curves),
        battery=battery(relearning=0) if probes is None else probes,
        checkpoint=CheckpointRecord(task_digest="a", suite_digest="b", submission_digest=name, format="state-dict"),
        code=Code(version="0"),
        environment=Environment(python="", platform="", device="cpu", dtype="float32", threads=1, batch_size=1),
    ).sealed()


GOLDS = [record(f"control-gold-{n}", [0, 0, 0, 1], [0, 0, 0.25, 1]) for n in (1, 2)]


def test_pure_concealment_shows_in_the_empty_arm_alone(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    hidden = compute_verdict(record("hidden", [0, 0, 0, 1], [0, 1, 1, 1]), GOLDS, suite, task)
    assert hidden.verdict.label == "conceals"
    assert hidden.scores["excess.prompt"].value == pytest.approx(0)
    # Differences from gold at ψ = 0, .25, .55, 1 are 0, 1, .75, 0: trapezoids over [.1, .6], divided by its length.
    psi, difference = [0.1, 0.25, 0.55, 0.6], [0.4, 1, 0.75, 0.75 * (1 - 0.05 / 0.45)]
    assert hidden.scores["excess.empty"].value == pytest.approx(np.trapezoid(difference, psi) / 0.5)
    assert hidden.scores["excess"].value == hidden.scores["excess.empty"].value
    assert hidden.scores["excess"].note == "empty arm" and hidden.verdict.by == ("empty",)


def test_a_gold_against_the_other_forgets_and_is_left_out_of_its_yardstick(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    settled = compute_verdict(GOLDS[0], GOLDS, suite, task)
    assert settled.verdict.label == "forgets"
    assert settled.verdict.probes == ("prompt", "empty", "relearning") and settled.verdict.unmeasured == {}
    assert settled.controls == {"control-gold-2": GOLDS[1].measured_digest}


def test_a_record_of_the_original_weights_never_forgets(specs: tuple[Suite, Task]) -> None:
    """With its rule, and with a rule that somebody removed from the record."""
    suite, task = specs
    checkpoint = GOLDS[0].checkpoint.model_copy(update={"format": "original"})
    for rule in (NegativePrompt(rule="negative-prompt", prompt="star"), None):
        row = record("x", [0, 0, 0, 1], [0, 0, 0.25, 1]).model_copy(update={"checkpoint": checkpoint, "inference": rule})
        assert compute_verdict(row, GOLDS, suite, task).verdict.code == "weights.unchanged"


def test_a_model_that_relearns_conceals_by_relearning(specs: tuple[Suite, Task]) -> None:
    """As gold after the handover; its rate after relearning is .75, gold's .25, θ's own 1."""
    suite, task = specs
    golds = [record(gold.submission, [0, 0, 0, 1], [0, 0, 0.25, 1], probes=battery(relearning=0.25)) for gold in GOLDS]
    settled = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1], probes=battery(relearning=0.75)), golds, suite, task)
    assert settled.verdict.label == "conceals" and settled.verdict.by == ("relearning",)
    assert settled.scores["excess.relearning"].value == pytest.approx(0.5) == settled.scores["excess"].value
    assert settled.scores["excess"].note == "relearning"


def test_a_record_without_the_battery_that_its_tier_asks_for_is_not_retrieved_at_most(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    bare = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1], probes={}), GOLDS, suite, task)
    assert bare.verdict.label == "not retrieved" and bare.verdict.unmeasured == {"relearning": "probe.not-run"}
    assert bare.verdict.probes == ("prompt", "empty") and "excess.relearning" not in bare.scores
    golds = [record(gold.submission, [0, 0, 0, 1], [0, 0, 0.25, 1], probes={}) for gold in GOLDS]
    settled = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1]), golds, suite, task)
    assert settled.verdict.label == "not retrieved" and settled.verdict.unmeasured == {"relearning": "probe.no-gold"}


def test_a_tier_without_probes_rests_on_the_handover_alone(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    quick = suite.model_copy(update={"tiers": {"quick": suite.tiers["quick"].model_copy(update={"probes": ()})}})
    settled = compute_verdict(GOLDS[0], GOLDS, quick, task)
    assert settled.verdict.label == "not retrieved" and settled.verdict.unmeasured == {}


def test_a_probe_that_failed_is_listed_with_its_error(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    failed = {"relearning": ProbeMeasurement(levels=("strong",), scored=("strong",), error="probe.diverged")}
    settled = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1], probes=failed), GOLDS, suite, task)
    assert settled.verdict.label == "not retrieved" and settled.verdict.unmeasured == {"relearning": "probe.diverged"}


def test_the_diagnostic_arm_decides_nothing(specs: tuple[Suite, Task]) -> None:
    """A curve of a submission's own embedding of the empty prompt, at θ's rate throughout."""
    suite, task = specs
    plain = record("x", [0, 0, 0, 1], [0, 0, 0.25, 1])
    diagnostic = next(curve for curve in record("y", [1] * 4, [1] * 4).curves if curve.arm == "empty" and curve.split == "forget")
    more = plain.model_copy(update={"curves": (*plain.curves, diagnostic.model_copy(update={"arm": "own-empty"}))})
    settled = compute_verdict(more, GOLDS, suite, task)
    assert settled.verdict == compute_verdict(plain, GOLDS, suite, task).verdict and settled.verdict.label == "forgets"


def test_the_original_is_intact(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    assert compute_verdict(record("control-original", [1] * 4, [0.25, 1, 1, 1]), GOLDS, suite, task).verdict.label == "intact"


def test_a_destroyed_model_is_damaged_not_forgetting(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    broken = compute_verdict(record("control-collapsed", [0, 0, 0, 1], [0, 0, 0.25, 1], retain=(0.25, 1)), GOLDS, suite, task)
    assert broken.verdict.label == "damaged"
    assert broken.scores["retain_drop"].value == pytest.approx(0.75)
    assert {score.value for score in broken.damage.values()} == {0.75}
    assert broken.scores["retain_drop"].note == "prompt arm, ψ = 0"
    assert set(broken.damage) == {prompt.concept for prompt in task.retain}


def test_a_destroyed_unconditional_continuation_is_damage_too(specs: tuple[Suite, Task]) -> None:
    """θ continues half of the images of retained concepts unconditionally as it would finish them, θ* none."""
    suite, task = specs
    broken = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1], retain_empty=(0, 1)), GOLDS, suite, task)
    assert broken.verdict.label == "damaged" and broken.verdict.code == "retained.dropped"
    assert broken.scores["retain_drop"].value == pytest.approx(0.5) and broken.scores["retain_drop"].note == "empty arm, ψ = 0"
    assert {score.value for score in broken.damage.values()} == {0}


def test_without_gold_nothing_is_forgotten(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    settled = compute_verdict(record("x", [0, 0, 0, 1], [0, 0, 0.25, 1]), [], suite, task)
    assert settled.verdict.label == "undetermined"
    assert "excess" not in settled.scores


def test_settling_twice_changes_nothing_and_settling_a_gold_moves_no_other_row(specs: tuple[Suite, Task]) -> None:
    suite, task = specs
    golds = [compute_verdict(gold, GOLDS, suite, task) for gold in GOLDS]
    once = compute_verdict(record("x", [0, 0, 0, 1], [0, 1, 1, 1]), GOLDS, suite, task)
    assert compute_verdict(once, golds, suite, task).digest == once.digest
