"""v-prediction. ε-prediction is held against diffusers in tests/diffusion/test_handover.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from diffusion.pairs import STEPS, model, plain, slowly, trio
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.schedule import ddim_timesteps

PROMPTS, SEEDS, K = ("a red star on a white background", "a drawing of zara"), (7, 90_001), (0, 3, STEPS)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    """θ and θ* whose UNets are taken to predict v."""
    built = trio(tmp_path_factory.mktemp("v"))
    return {name: plain(pipe, scheduler=predicting(pipe, "v_prediction")) for name, pipe in built.items()}


def predicting(pipe: StableDiffusionPipeline, what: str) -> DDIMScheduler:
    return DDIMScheduler.from_config(pipe.scheduler.config, prediction_type=what)


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_it_equals_the_slow_way(pipes: dict[str, StableDiffusionPipeline], part: str) -> None:
    original, unlearned = model(pipes["original"]), model(pipes[part])
    latents = run_original(original, PROMPTS, SEEDS, K).latents
    finished, _ = hand_over(unlearned, original, PROMPTS, latents, ("prompt", "empty"))
    assert set(finished) == {(arm, k) for arm in ("prompt", "empty") for k in K}
    for (arm, k), x in finished.items():
        noise = original.decode(x)
        for i, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
            expected = slowly(pipes["original"], pipes[part], prompt, seed, k, arm)
            assert np.abs(noise[i] - 255 * expected).max() < 0.8, (arm, k, i)


def test_the_clean_prediction(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """x̂0 = √ᾱ x − √(1−ᾱ) v at the first step, ᾱ from the betas."""
    pipe, k = pipes["original"], 1
    clean = run_original(model(pipe), PROMPTS[:1], SEEDS[:1], (k,)).clean_latents[k]
    signal = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    t = ddim_timesteps(STEPS)[0]
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(SEEDS[0]))
    words, empty = pipe.encode_prompt([PROMPTS[0]], "cpu", 1, True, negative_prompt=[""])
    with torch.inference_mode():
        conditional, unconditional = (pipe.unet(x, t, states).sample for states in (words, empty))
    v = 5.0 * conditional - 4.0 * unconditional
    assert torch.allclose(clean, signal[t] ** 0.5 * x - (1 - signal[t]) ** 0.5 * v, rtol=1e-3, atol=1e-3)


def test_another_prediction_gives_other_pictures(pipes: dict[str, StableDiffusionPipeline]) -> None:
    as_epsilon = plain(pipes["original"], scheduler=predicting(pipes["original"], "epsilon"))
    item, other = (run_original(model(pipe), PROMPTS, SEEDS, (STEPS,)).latents[STEPS] for pipe in (pipes["original"], as_epsilon))
    assert not torch.allclose(item, other, atol=0.1)
