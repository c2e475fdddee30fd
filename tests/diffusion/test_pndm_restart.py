"""The restarted handover against PNDM written out by hand, and against diffusers' own pipeline where nothing is restarted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline

from diffusion.pairs import GUIDANCE, STEPS, model, plain, trio
from unconceal.diffusion.pndm_restart import pndm_scheduler, pndm_timesteps, run_pndm_from

PROMPT, SEED = "a red star on a white background", 7
ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    return trio(tmp_path_factory.mktemp("pair"))


def epsilon(pipe: StableDiffusionPipeline, x: torch.Tensor, t: int) -> torch.Tensor:
    words, empty = pipe.encode_prompt([PROMPT], "cpu", 1, True, negative_prompt=[""])
    with torch.inference_mode():
        conditional, unconditional = (pipe.unet(x, t, states).sample for states in (words, empty))
    return torch.add(unconditional, conditional - unconditional, alpha=GUIDANCE)


def moved(x: torch.Tensor, eps: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """From noise level to noise level along ε: x' = √(ᾱ'/ᾱ) x + (√(1−ᾱ') − √(ᾱ'(1−ᾱ)/ᾱ)) ε."""
    a, b = ALPHAS[start], ALPHAS[max(end, 0)]
    return torch.add(float(b / a) ** 0.5 * x, eps, alpha=float((1 - b) ** 0.5 - (b * (1 - a) / a) ** 0.5))


def by_hand(pipe: StableDiffusionPipeline, x: torch.Tensor, timesteps: tuple[int, ...]) -> torch.Tensor:
    """Pseudo linear multistep of order four (arXiv 2202.09778): Heun-like first interval, then Adams–Bashforth of rising order."""
    step = 1000 // STEPS
    first, second, *rest = timesteps
    past: list[torch.Tensor] = [epsilon(pipe, x, first)]
    guess = moved(x, past[0], first, first - step)
    again = epsilon(pipe, guess, second)
    # The second evaluation stands for the end of the first interval, whatever timestep it was told.
    x = moved(x, (past[0] + again) / 2, second + step, second)
    for t in rest:
        past = [epsilon(pipe, x, t), *past][:4]
        weights = {2: (3, -1), 3: (23, -16, 5), 4: (55, -59, 37, -9)}[len(past)]
        eps = torch.stack([weight * item for weight, item in zip(weights, past, strict=True)]).sum(0) / sum(weights)
        x = moved(x, eps, t, t - step)
    return x


@pytest.mark.parametrize("k", [0, 1, 3])
def test_it_equals_the_solver_by_hand(pipes: dict[str, StableDiffusionPipeline], k: int) -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    finished, *_ = run_pndm_from(model(pipes["unet"]), [PROMPT], latents, k)
    expected = by_hand(pipes["unet"], latents, pndm_timesteps(STEPS)[k:])
    assert torch.allclose(finished, expected.float(), rtol=1e-3, atol=1e-2)


def test_from_the_start_it_is_the_pipelines_own(pipes: dict[str, StableDiffusionPipeline]) -> None:
    pipe = plain(pipes["original"], scheduler=PNDMScheduler.from_config(pipes["original"].scheduler.config, skip_prk_steps=True))
    noise = model(pipes["original"]).noise([SEED])
    expected = pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=noise, output_type="latent").images
    assert torch.allclose(run_pndm_from(model(pipes["original"]), [PROMPT], noise)[0], expected, atol=1e-4)


def test_a_restart_never_takes_the_second_interval(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """With the true noise as prediction every step lands on its level exactly: what is left over is the interval never taken."""
    from unittest.mock import patch

    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    start = pndm_timesteps(STEPS)[3]
    latents = ALPHAS[start] ** 0.5 * torch.zeros_like(noise) + (1 - ALPHAS[start]) ** 0.5 * noise
    with patch("unconceal.diffusion.pndm_restart.guided_prediction", lambda *_: (noise, 1)):
        finished, *_ = run_pndm_from(model(pipes["original"]), [PROMPT], latents.float(), 3)
    left = float((finished / noise).mean())
    _, skipped, after, *_ = pndm_timesteps(STEPS)[3:]
    never_removed = (1 - ALPHAS[skipped]) ** 0.5 - (1 - ALPHAS[after]) ** 0.5
    assert left == pytest.approx((1 - ALPHAS[0]) ** 0.5 + (ALPHAS[0] / ALPHAS[after]) ** 0.5 * never_removed, rel=1e-3)
    assert left > 5 * (1 - ALPHAS[0]) ** 0.5


def test_the_plans_timesteps_are_the_solvers(pipes: dict[str, StableDiffusionPipeline]) -> None:
    assert tuple(pndm_scheduler(model(pipes["original"])).timesteps.tolist()) == pndm_timesteps(STEPS)
    assert len(pndm_timesteps(100)) == 101 and pndm_timesteps(100)[:4] == (991, 981, 981, 971)


def test_only_the_wanted_latents_are_kept(pipes: dict[str, StableDiffusionPipeline]) -> None:
    noise = model(pipes["original"]).noise([SEED])
    _, retained, _ = run_pndm_from(model(pipes["original"]), [PROMPT], noise, 0, (0, 2))
    assert sorted(retained) == [0, 2] and torch.equal(retained[0], noise)
