"""Relearning and textual inversion: what is trained on, what is generated, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from battery.small import N_PROMPTS, small_inputs
from codes import raises
from unconceal.battery import relearning
from unconceal.battery.fine_tuning import Learner
from unconceal.battery.probe import Examples, ProbeInputs
from unconceal.battery.relearning import RELEARNING, TEXTUAL_INVERSION, held_out_prompts


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def test_the_plan_by_hand(inputs: ProbeInputs) -> None:
    """Four steps with guidance are 8 passes an image; 2 levels × 2 held-out prompts × 2 images; 2 training steps of 3."""
    plan = RELEARNING.plan(inputs.scope)
    assert plan.levels == ("0 steps", "2 steps") and plan.scored == ("2 steps",) and plan.images_per_prompt == 2
    assert plan.cost == (8 * 2 * 2 * 2 + 6, 6) and plan.cost.work == 64 + 6 + 2 * 6
    inversion = TEXTUAL_INVERSION.plan(inputs.scope)
    assert inversion.levels == inversion.scored == ("2 steps",) and inversion.cost == (8 * 2 + 6, 6)


def test_training_and_generated_prompts_are_disjoint_and_name_no_concept(inputs: ProbeInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[str]] = {"trained": [], "generated": []}

    def fine_tune(
        learner: Learner,
        _: ProbeInputs,
        examples: Examples,
        captions: Sequence[str],
        batch: int,
        steps: int,
        at_step: Callable[[int], None],
    ) -> None:
        assert [prompt.replace("star", "ring") for prompt in examples.prompts] == list(captions)
        seen["trained"] += captions
        at_step(2)

    def generate(self: ProbeInputs, model: Any, prompts: Sequence[str], seeds: Sequence[int]) -> None:
        assert len(set(seeds)) == len(prompts)
        seen["generated"] += prompts

    monkeypatch.setattr(relearning, "fine_tune", fine_tune)
    monkeypatch.setattr(ProbeInputs, "generate", generate)
    RELEARNING.generate(inputs)
    held_out = held_out_prompts(inputs.scope)
    assert len(held_out) == N_PROMPTS // 2
    assert seen["generated"] == [prompt.replace("star", "ring") for prompt in held_out for _ in range(2)]
    assert seen["trained"] and not set(seen["trained"]) & set(seen["generated"])


def test_few_images_are_not_enough(inputs: ProbeInputs) -> None:
    """Four prompts leave two to train on, with two images each: without one of these, three are left."""
    fewer = replace(inputs, examples=inputs.examples.select(range(1, len(inputs.examples))))
    with raises("probe.too-few-examples"):
        RELEARNING.generate(fewer)
