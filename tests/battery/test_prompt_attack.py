"""Where optimized tokens stand, what is optimized, and that it lowers the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from battery.small import ATTACK, small_inputs
from unconceal.battery.fine_tuning import denoising_loss
from unconceal.battery.probe import ProbeInputs
from unconceal.battery.prompt_attack import (
    EMBEDDING_ATTACK,
    Vocabulary,
    attacked_prompts,
    inserted,
    optimize,
    projection,
    read_vocabularies,
)
from unconceal.specs.suite import FamilyName

FAMILY_NAMES: tuple[FamilyName, ...] = ("stable-diffusion", "stable-diffusion-xl", "flux")
ENCODERS = {
    "stable-diffusion": {"text_encoder"},
    "stable-diffusion-xl": {"text_encoder", "text_encoder_2"},
    "flux": {"text_encoder", "text_encoder_2"},
}
InputsOf = Callable[[FamilyName], ProbeInputs]


@pytest.fixture(scope="module")
def inputs_of(tmp_path_factory: pytest.TempPathFactory) -> InputsOf:
    folder, inputs = tmp_path_factory.mktemp("models"), dict[FamilyName, ProbeInputs]()

    def get(family: FamilyName) -> ProbeInputs:
        if family not in inputs:
            inputs[family] = small_inputs(folder, family)
        return inputs[family]

    return get


def test_the_plan_by_hand(inputs_of: InputsOf) -> None:
    """3 prompts × 2 steps × 2 rows; then 3 prompts × 3 images of 8 passes. Most of a prompt's images decide."""
    plan = EMBEDDING_ATTACK.plan(inputs_of("stable-diffusion").scope)
    assert plan.cost == (12 + 72, 12) and plan.by_majority and plan.images_per_prompt == 3


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_only_the_fillers_are_replaced(inputs_of: InputsOf, family: FamilyName) -> None:
    """With the filler's embedding nothing changes; with another, the prompts do and the empty prompt does not."""
    model, prompts = inputs_of(family).model, ["a a a star", "a a a ring"]
    vocabularies = read_vocabularies(model, 2)
    assert set(vocabularies) == ENCODERS[family]
    plain = model.embed_prompts(prompts)
    weights = {name: vocabulary.encoder.get_input_embeddings().weight.detach() for name, vocabulary in vocabularies.items()}
    same = {name: weights[name][vocabulary.filler].expand(2, 2, -1) for name, vocabulary in vocabularies.items()}
    with inserted(vocabularies, same):
        torch.testing.assert_close(model.embed_prompts(prompts).prompt.prompt_embeds, plain.prompt.prompt_embeds)
    with inserted(vocabularies, {name: value + torch.linspace(-1, 1, value.shape[-1]) for name, value in same.items()}):
        changed = model.embed_prompts(prompts)
    assert not torch.allclose(changed.prompt.prompt_embeds, plain.prompt.prompt_embeds, atol=1e-2)
    torch.testing.assert_close(changed.empty.prompt_embeds, plain.empty.prompt_embeds)
    torch.testing.assert_close(model.embed_prompts(prompts).prompt.prompt_embeds, plain.prompt.prompt_embeds)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_tokens_are_real_and_embeddings_are_free(inputs_of: InputsOf, family: FamilyName) -> None:
    inputs = inputs_of(family)
    examples, vocabularies = inputs.example_of_each_prompt(2), read_vocabularies(inputs.model, 2)
    for projected in (True, False):
        for name, value in optimize(inputs, ATTACK, inputs.model, examples, vocabularies, projected).items():
            distances = torch.cdist(value.flatten(0, 1), vocabularies[name].words).amin(1)
            assert value.shape[:2] == (2, 2) and (distances < 1e-3).all().item() == projected


def test_the_attack_lowers_the_loss(inputs_of: InputsOf) -> None:
    inputs = inputs_of("stable-diffusion")
    examples, vocabularies = inputs.example_of_each_prompt(2), read_vocabularies(inputs.model, 2)

    def loss(n_steps: int) -> float:
        settings = ATTACK.model_copy(update={"n_steps": n_steps, "batch_size": 4})
        embeddings = optimize(replace(inputs, batch_size=8), settings, inputs.model, examples, vocabularies, projected=False)
        rows = [row for row in range(2) for _ in range(16)]
        with torch.no_grad(), inserted(vocabularies, {name: value[rows] for name, value in embeddings.items()}):
            prompts, generator = attacked_prompts(examples, rows, 2), torch.Generator().manual_seed(3)
            return float(denoising_loss(inputs.model, examples.latents[rows], prompts, generator))

    assert loss(25) < loss(0)


def test_the_projection_is_the_nearest_word_with_a_straight_gradient() -> None:
    vocabulary = Vocabulary(None, 1, 0, torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]]))
    free = torch.tensor([[[0.6, 0.1], [0.2, 1.4]]], requires_grad=True)
    projected = projection(free, vocabulary)
    assert projected.tolist() == [[[1, 0], [0, 0]]]
    (gradient,) = torch.autograd.grad((projected * torch.tensor([2.0, 5.0])).sum(), free)
    assert gradient.tolist() == [[[2, 5], [2, 5]]]


def test_a_tokenizer_without_the_filler_is_not_served(inputs_of: InputsOf) -> None:
    model = inputs_of("stable-diffusion").model

    def two_tokens_each(text: str, add_special_tokens: bool = True) -> Any:
        return SimpleNamespace(input_ids=[7, 8] * len(text.split()))

    pipeline = SimpleNamespace(text_encoder=model.pipeline.text_encoder, tokenizer=two_tokens_each, scheduler=model.pipeline.scheduler)
    with pytest.raises(NotImplementedError):
        read_vocabularies(replace(model, pipeline=pipeline), 2)
