"""The training that relearning, textual inversion and benign fine-tuning share."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from battery.small import broken, small_inputs, weights
from codes import raises
from unconceal.battery.fine_tuning import Learner, denoising_loss, fine_tune, float32_copy, new_learner
from unconceal.battery.probe import ProbeInputs
from unconceal.diffusion.offload import Offloader
from unconceal.specs.battery import FineTuning, LearningRates

NONCE = "ring"
FROZEN = LearningRates(denoiser=0, text_encoder=0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def train(inputs: ProbeInputs, settings: FineTuning, nonce: str = "", n_steps: int = 2) -> Learner:
    learner, examples = new_learner(inputs.model, settings, nonce), inputs.examples.select(range(4))
    fine_tune(learner, inputs, examples, [f"a {NONCE}"] * 4, 3, n_steps)
    return learner


def changed(inputs: ProbeInputs, learner: Learner) -> set[str]:
    """Names of the weights that training changed."""
    before, after = weights(inputs.model), weights(learner.model)
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_only_the_embeddings_of_the_nonce_word_change(inputs: ProbeInputs) -> None:
    learner = train(inputs, FineTuning(learning_rates=FROZEN), NONCE)
    (name,) = changed(inputs, learner)
    before, after = weights(inputs.model)[name], weights(learner.model)[name]
    rows = (before != after).any(1).nonzero().flatten().tolist()
    assert rows == inputs.model.pipeline.tokenizer(NONCE, add_special_tokens=False).input_ids
    assert (before - after).abs().max() == pytest.approx(2 * 5e-3, rel=0.05)


def test_the_rates_say_which_parts_are_trained(inputs: ProbeInputs) -> None:
    text = changed(inputs, train(inputs, FineTuning(learning_rates=LearningRates(denoiser=0))))
    assert text and all(name.startswith("text_encoder") for name in text)
    denoiser = changed(inputs, train(inputs, FineTuning(learning_rates=LearningRates(text_encoder=0))))
    assert denoiser and all(name.startswith("unet") for name in denoiser)


def test_a_lora_is_trained_beside_frozen_weights(inputs: ProbeInputs) -> None:
    learner = new_learner(inputs.model, FineTuning(lora_rank=2, learning_rates=LearningRates(text_encoder=0, denoiser=1e-2)))
    parameters = {id(parameter) for parameter in learner.parameters}
    names = {name for name, parameter in learner.model.denoiser.named_parameters() if id(parameter) in parameters}
    assert names and all("lora" in name for name in names)
    assert {module for name in names for module in ("to_q", "to_k", "to_v", "to_out.0") if module in name} == {
        "to_q",
        "to_k",
        "to_v",
        "to_out.0",
    }
    before = {name: value.clone() for name, value in learner.model.denoiser.named_parameters()}
    fine_tune(learner, inputs, inputs.examples, inputs.examples.prompts, 2, 2)
    moved = {name for name, value in learner.model.denoiser.named_parameters() if not torch.equal(value, before[name])}
    assert moved == names and not any("lora" in name for name in weights(inputs.model))


def test_training_lowers_the_loss(inputs: ProbeInputs) -> None:
    settings = FineTuning(learning_rates=LearningRates(denoiser=2e-3, text_encoder=2e-3))

    def loss(learner: Learner) -> float:
        with torch.no_grad():
            latents, prompts = inputs.examples.latents[:4], [f"a {NONCE}"] * 4
            return float(denoising_loss(learner.model, latents, prompts, torch.Generator().manual_seed(5)))

    assert loss(train(inputs, settings, n_steps=15)) < 0.9 * loss(new_learner(inputs.model, settings))


def test_progress_and_the_steps_of_the_curve(inputs: ProbeInputs) -> None:
    """A batch larger than the set holds some images twice, so that the cost is what was announced."""
    steps, passes = list[int](), list[int]()
    learner, counting = new_learner(inputs.model, FineTuning()), replace(inputs, advance=passes.append)
    fine_tune(learner, counting, inputs.examples.select(range(2)), ["a star"] * 2, 5, 3, steps.append)
    assert steps == [0, 1, 2, 3] and passes == [15, 15, 15]


def test_a_loss_that_is_no_number_stops_the_training(inputs: ProbeInputs) -> None:
    with raises("probe.diverged"):
        train(replace(inputs, model=broken(inputs.model)), FineTuning())


def test_half_precision_is_trained_in_float32(inputs: ProbeInputs) -> None:
    pipeline = copy.copy(inputs.model.pipeline)
    for name in ("unet", "text_encoder"):
        setattr(pipeline, name, copy.deepcopy(getattr(pipeline, name)).to(torch.bfloat16))
    half = replace(inputs, model=replace(inputs.model, pipeline=pipeline))
    learner = train(half, FineTuning(learning_rates=FROZEN), NONCE)
    assert learner.model.dtype == learner.model.pipeline.text_encoder.dtype == torch.float32
    assert half.model.dtype == half.model.pipeline.text_encoder.dtype == torch.bfloat16


def test_float32_weights_are_shared_unless_they_are_copied_or_offloaded(inputs: ProbeInputs, tmp_path: Path) -> None:
    shared, copied = float32_copy(inputs.model), float32_copy(inputs.model, ("unet",))
    assert shared.denoiser is inputs.model.denoiser
    assert copied.denoiser is not inputs.model.denoiser and copied.pipeline.text_encoder is inputs.model.pipeline.text_encoder
    offloaded = float32_copy(replace(inputs.model, offloader=Offloader(torch.device("cpu"))))
    assert offloaded.offloader is None
    assert offloaded.denoiser is not inputs.model.denoiser and offloaded.pipeline.text_encoder is not inputs.model.pipeline.text_encoder
