"""The inversion, against known noise; and with whose words it runs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from battery.small import small_inputs
from unconceal.battery.inverted_latents import INVERTED_LATENTS, clean_and_noise, invert
from unconceal.battery.probe import ProbeInputs
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning


@pytest.fixture(scope="module", params=["stable-diffusion", "flux"])
def inputs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"), request.param)


def test_the_plan_by_hand(tmp_path: Any) -> None:
    """Four levels are three steps of inversion, then four steps guided and four unguided."""
    plan = INVERTED_LATENTS.plan(small_inputs(tmp_path).scope)
    assert plan.cost == (3 * (3 + 4 * 2 + 4), 0) and plan.levels == ("prompt arm", "empty arm")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_prediction_is_solved_for_clean_latents_and_noise(inputs: ProbeInputs, prediction: str) -> None:
    """ε, v, and the velocity of flow matching."""
    pipeline = copy.copy(inputs.original.pipeline)
    if isinstance(pipeline.scheduler, DDIMScheduler):
        pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, prediction_type=prediction)
    model = replace(inputs.original, pipeline=pipeline)
    clean, noise = inputs.examples.latents[:3], model.noise((7, 8, 9))
    timesteps = model.scheduler().timesteps[[0, 1, 3]]
    x, predicted = model.add_noise(clean, noise, timesteps), model.training_target(clean, noise, timesteps)
    solved = clean_and_noise(model, x, predicted, timesteps)
    torch.testing.assert_close(solved, (clean, noise), rtol=1e-3, atol=1e-3)


def test_the_inversion_of_a_model_that_knows_the_noise(inputs: ProbeInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that always predicts the same clean latents and noise leads back to exactly these at the highest level."""
    examples = inputs.examples.select(range(3))
    noise = inputs.original.noise(inputs.seeds(examples.prompts))
    words = inputs.original.encode_prompts([""]).empty.prompt_embeds[0]

    def call(self: Model, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        assert all(torch.equal(row, words) for row in condition.prompt_embeds)
        return self.training_target(examples.latents, noise, timestep.expand(len(latents)))

    monkeypatch.setattr(type(inputs.model), "call", call)
    highest = inputs.original.scheduler().timesteps[0].expand(3)
    inverted = invert(replace(inputs, batch_size=10), examples)
    torch.testing.assert_close(inverted, inputs.original.add_noise(examples.latents, noise, highest), rtol=1e-3, atol=1e-3)
