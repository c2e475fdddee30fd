from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from diffusion.inference_rules.ruled import PROMPTS, SEEDS, embedded, finished, ruled
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.inference_rules.embedding_projection import guidance, trigger_tokens
from unconceal.specs.inference_rule import EmbeddingProjection

RULE = EmbeddingProjection(rule="embedding-projection", concepts=("star", "a star shape"), alpha=0.001)


def pooled(pipe: StableDiffusionPipeline, text: str, hidden: int | None = None) -> NDArray[np.float64]:
    """The text encoder's pooled embedding of one text without padding, with one token hidden."""
    ids = torch.tensor([pipe.tokenizer(text).input_ids])
    attention = torch.ones_like(ids)
    if hidden is not None:
        attention[0, hidden] = 0
    with torch.no_grad():
        output = pipe.text_encoder(ids, attention_mask=attention).pooler_output[0]
    return np.asarray(output.numpy(), float)


def span(vectors: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Projection onto the span, by an orthonormal basis from the singular value decomposition."""
    u, values, _ = np.linalg.svd(np.array(vectors).T, full_matrices=False)
    basis = u[:, values > 1e-6 * values[0]]
    return np.asarray(basis @ basis.T)


def expected_rows(pipe: StableDiffusionPipeline, prompt: str) -> tuple[NDArray[np.float64], list[int], int]:
    """The paper's equations in double precision, one prompt at a time: its embedding, its triggers, its last filtered step."""
    embeds = embedded(pipe, prompt)[0].detach().numpy().astype(float)
    words = range(1, len(pipe.tokenizer(prompt).input_ids) - 1)
    away = np.eye(embeds.shape[1]) - span([pooled(pipe, text) for text in RULE.concepts])
    without = {i: pooled(pipe, prompt, i) for i in words}
    distances = {i: np.linalg.norm(away @ vector) for i, vector in without.items()}
    within, triggers, cosines = span(list(without.values())), [], []
    filtered = embeds.copy()
    for i in words:
        others = [distance for j, distance in distances.items() if j != i]
        projected = within @ away @ embeds[i]
        cosines.append(projected @ embeds[i] / np.linalg.norm(projected) / np.linalg.norm(embeds[i]))
        if not others or distances[i] > (1 + RULE.alpha) * np.mean(others):
            triggers.append(i)
            filtered[i] = projected
    return filtered, triggers, round(RULE.max_steps / (1 + math.exp(-(1 - float(np.mean(cosines))))))


def test_it_follows_the_papers_equations(pipe: StableDiffusionPipeline) -> None:
    model = ruled(pipe, RULE)
    with torch.inference_mode():
        result = guidance(RULE, model, PROMPTS, model.encode_prompts(PROMPTS))
    n_triggers = []
    for row, prompt in enumerate(PROMPTS):
        filtered, triggers, last_step = expected_rows(pipe, prompt)
        n_triggers.append(len(triggers))
        assert np.allclose(result.projected[row].numpy(), filtered, atol=1e-3)
        assert int(result.last_step[row]) == last_step
    assert 0 < n_triggers[0] < 7


def test_a_trigger_lies_farther_than_the_mean_of_the_others() -> None:
    """(1.3 | 1, 1) is a trigger at α = .2 and none at α = .35; a single token always is."""
    distances = torch.tensor([1.0, 1.3, 1.0])
    assert trigger_tokens(distances, 0.2).tolist() == [False, True, False]
    assert trigger_tokens(distances, 0.35).tolist() == [False, False, False]
    assert trigger_tokens(torch.tensor([2.0]), 0.01).tolist() == [True]


@pytest.mark.parametrize("max_steps", [1.0, 4.0])
def test_it_acts_in_the_first_steps_of_the_run_only(pipe: StableDiffusionPipeline, max_steps: float) -> None:
    """γ = 1: round(.5 to .88) = 1, so steps 0 and 1; a branch that starts at step 2 never feels it. γ = 4: up to step 2 or more."""
    latents, plain = finished(pipe, RULE.model_copy(update={"max_steps": max_steps})), finished(pipe, None)
    assert not torch.allclose(latents["prompt", 0], plain["prompt", 0], atol=1e-4)
    assert torch.allclose(latents["prompt", 2], plain["prompt", 2], atol=1e-4) == (max_steps == 1.0)
    assert torch.equal(latents["empty", 0], plain["empty", 0])


def test_a_prompt_does_not_depend_on_its_neighbours(pipe: StableDiffusionPipeline) -> None:
    together, original = finished(pipe, RULE), ruled(pipe, None)
    run = run_original(original, PROMPTS[1:2], SEEDS[1:2], (0,))
    alone, _ = hand_over(ruled(pipe, RULE), original, PROMPTS[1:2], run.latents, ("prompt",))
    assert torch.allclose(together["prompt", 0][1:2], alone["prompt", 0], atol=1e-4)
