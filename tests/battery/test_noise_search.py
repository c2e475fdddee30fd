"""The search: its candidates, what it keeps, and that it never loses ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from battery.small import small_inputs, with_settings
from unconceal.battery import noise_search
from unconceal.battery.noise_search import NOISE_SEARCH, search
from unconceal.battery.probe import ProbeInputs
from unconceal.diffusion import handover
from unconceal.diffusion.handover import ARMS, hand_over
from unconceal.specs.battery import NoiseSearch


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def with_search(inputs: ProbeInputs, **settings: Any) -> ProbeInputs:
    return with_settings(inputs, noise_search=NoiseSearch(**{"n_prompts": 2, **settings}))


def test_the_plan_by_hand(inputs: ProbeInputs) -> None:
    """3 prompts × 2 rounds × 2 candidates, four steps with and without guidance."""
    assert NOISE_SEARCH.plan(inputs.scope).cost == (3 * 2 * 2 * 4 * 3, 0)


def test_one_candidate_of_one_round_is_the_plain_image(inputs: ProbeInputs) -> None:
    images = NOISE_SEARCH.generate(with_search(inputs, n_rounds=1, n_candidates=1))
    prompts = inputs.scope.forget[:2]
    noise = {0: inputs.model.noise(inputs.seeds(prompts))}
    plain, _ = hand_over(inputs.model, inputs.original, prompts, noise, ARMS)
    assert np.array_equal(images["prompt arm"], inputs.decode(plain["prompt", 0]))
    assert np.array_equal(images["empty arm"], inputs.decode(plain["empty", 0]))


def test_candidates_lie_around_the_best(inputs: ProbeInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round one is fresh noise; round two √(1 − .6²) = .8 of the brightest so far and .6 of fresh noise; the brightest of all is kept."""
    rounds: list[torch.Tensor] = []
    brightness: list[Any] = []

    def watched(model: Any, original: Any, prompts: Sequence[str], latents: dict[int, torch.Tensor], *arguments: Any) -> Any:
        rounds.append(latents[0].view(2, 3, 4, 16, 16))
        finished = handover.hand_over(model, original, prompts, latents, *arguments)
        pixels = inputs.decode(finished[0]["prompt", 0])
        brightness.append(inputs.presence_scores(pixels).reshape(2, 3))
        return finished

    monkeypatch.setattr(noise_search, "hand_over", watched)
    prompts = inputs.scope.forget[:2]
    searched = with_search(inputs, n_rounds=3, n_candidates=3, step=0.6)
    images = search(searched, prompts, "prompt")
    fresh = inputs.model.noise(inputs.seeds(prompts, 9)).view(2, 3, 3, 4, 16, 16)
    torch.testing.assert_close(rounds[0], fresh[:, 0])
    for number in (1, 2):
        scores = np.concatenate(brightness[:number], axis=1)
        candidates = torch.cat(rounds[:number], dim=1)
        best = torch.stack([candidates[row, int(scores[row].argmax())] for row in range(2)])
        torch.testing.assert_close(rounds[number], 0.8 * best[:, None] + 0.6 * fresh[:, number])
    np.testing.assert_allclose(inputs.presence_scores(images), np.concatenate(brightness, axis=1).max(axis=1))
