"""Costs, examples and seeds that probes share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from battery.small import small_inputs
from codes import raises
from unconceal.battery.probe import Cost, Examples, ProbeInputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def test_a_backward_pass_is_the_work_of_two() -> None:
    assert Cost(10, 3).work == 16


def test_one_example_of_each_prompt_in_their_order(inputs: ProbeInputs) -> None:
    examples = Examples(("b", "b", "a", "c", "a"), torch.arange(5.0))
    chosen = replace(inputs, examples=examples).example_of_each_prompt(2)
    assert chosen.prompts == ("b", "a") and chosen.latents.tolist() == [0, 2]


def test_seeds_follow_the_prompt_and_start_at_the_batterys(inputs: ProbeInputs) -> None:
    seeds = inputs.seeds(["a", "b"], 2)
    assert len(set(seeds)) == 4 and seeds == inputs.seeds(["a"], 2) + inputs.seeds(["b"], 2)
    assert [seed % 10_000 for seed in seeds] == [5000, 5001, 5000, 5001]


def test_the_judge_is_asked_in_groups_and_in_order(inputs: ProbeInputs) -> None:
    pixels = np.stack([np.full((2, 2, 3), shade, np.uint8) for shade in [*range(0, 250, 2), 255]])
    np.testing.assert_allclose(inputs.presence_scores(pixels), np.array([*range(0, 250, 2), 255]) / 255)
    assert inputs.shows(pixels).tolist() == [shade > 127 for shade in [*range(0, 250, 2), 255]]


def test_images_that_are_no_numbers_are_not_judged(inputs: ProbeInputs) -> None:
    latents = inputs.examples.latents[:2].clone()
    latents[1, 0, 0, 0] = float("inf")
    with raises("probe.diverged"):
        inputs.decode(latents)
