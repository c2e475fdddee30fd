"""Renoising: levels, cost, and what the model is given to continue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from battery.small import N_PROMPTS, small_inputs
from unconceal.battery import renoising
from unconceal.battery.probe import ProbeInputs
from unconceal.battery.renoising import RENOISING
from unconceal.diffusion import handover
from unconceal.diffusion.model import Model


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def test_the_plan_by_hand(inputs: ProbeInputs) -> None:
    """Timesteps 751, 501, 251, 1 of 1000: ψ = .25 and .26 hand over after one step, .5 after two; 3 + 2 steps remain, 1 + 2 passes each."""
    plan = RENOISING.plan(inputs.scope)
    assert plan.levels == plan.scored and len(plan.levels) == 6
    assert plan.levels[:2] == ("empty prompt, ψ = 0.25", "empty prompt, ψ = 0.26") and plan.levels[-1] == "vague prompt, ψ = 0.5"
    assert inputs.scope.handover_steps((0.25, 0.26, 0.5)) == {0.25: 1, 0.26: 1, 0.5: 2}
    assert plan.cost == (N_PROMPTS * 5 * 3, 0)


def test_images_are_noised_to_the_level_of_the_handover(inputs: ProbeInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """√ᾱ x₀ + √(1 − ᾱ) ε at the timestep of the first step that remains; the prompt is vague."""
    given = dict[int, torch.Tensor]()

    def hand_over(model: Model, original: Model, prompts: Sequence[str], latents: dict[int, torch.Tensor], *arguments: Any) -> Any:
        assert model is inputs.model and set(prompts) == {"a picture"}
        given.update(latents)
        return handover.hand_over(model, original, prompts, latents, *arguments)

    monkeypatch.setattr(renoising, "hand_over", hand_over)
    images = RENOISING.generate(inputs)
    x, prompts = inputs.examples.latents[::2], inputs.examples.prompts[::2]
    noise = inputs.original.noise(inputs.seeds(prompts))
    alphas = inputs.original.scheduler().alphas_cumprod
    for k, timestep in ((1, 501), (2, 251)):
        expected = alphas[timestep].sqrt() * x + (1 - alphas[timestep]).sqrt() * noise
        torch.testing.assert_close(given[k], expected)
    for arm in ("empty prompt", "vague prompt"):
        assert np.array_equal(images[f"{arm}, ψ = 0.25"], images[f"{arm}, ψ = 0.26"])
        assert not np.array_equal(images[f"{arm}, ψ = 0.25"], images[f"{arm}, ψ = 0.5"])
