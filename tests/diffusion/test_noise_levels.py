"""Going on from another noise schedule: a model rewritten to predict v over other betas has to draw what it drew before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from numpy.typing import NDArray
from torch import nn

from codes import raises
from diffusion.pairs import model, plain, trio
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.noise_levels import aligned_to_base

PROMPTS, SEEDS, K = ("a red star on a white background", "a drawing of zara"), (7, 90_001), (0, 2, 4)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    return trio(tmp_path_factory.mktemp("pair"))


def alphas(scheduler: DDIMScheduler) -> NDArray[np.float64]:
    """ᾱ from the betas as the config describes them."""
    config = scheduler.config
    if config.beta_schedule == "linear":
        betas = np.linspace(config.beta_start, config.beta_end, 1000)
    else:
        betas = np.linspace(config.beta_start**0.5, config.beta_end**0.5, 1000) ** 2
    return np.asarray(np.cumprod(1 - betas))


class Rewritten(nn.Module):
    """An ε-predicting UNet of one schedule as a v-predicting one of another: v = (ε − √(1 − ᾱ) x) / √ᾱ at equal ᾱ."""

    def __init__(self, unet: nn.Module, old: DDIMScheduler, new: DDIMScheduler) -> None:
        super().__init__()
        self.unet, self.config = unet, unet.config
        self.old, self.new = alphas(old), alphas(new)
        self.asked: list[float] = []

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def forward(self, x: torch.Tensor, timestep: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor]:
        self.asked.append(float(timestep))
        ratio = np.log(self.new) - np.log1p(-self.new)
        level = float(np.interp(float(timestep), np.arange(1000), ratio))
        signal = 1 / (1 + np.exp(-level))
        old = np.log(self.old) - np.log1p(-self.old)
        before = float(np.interp(-level, -old, np.arange(1000)))
        epsilon = self.unet(x, torch.tensor(before), **kwargs)[0]
        return ((epsilon - (1 - signal) ** 0.5 * x) / signal**0.5,)


def rewritten(pipe: StableDiffusionPipeline, **schedule: Any) -> StableDiffusionPipeline:
    new = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction", **schedule)
    built = plain(pipe)
    built.register_modules(scheduler=new)
    object.__setattr__(built, "unet", None)
    built.unet = Rewritten(pipe.unet, pipe.scheduler, new)
    return built


OTHERS: list[dict[str, Any]] = [{}, {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}, {"timestep_spacing": "trailing"}]


@pytest.mark.parametrize("schedule", OTHERS, ids=["v", "linear betas", "trailing"])
def test_the_rewritten_model_draws_the_same(pipes: dict[str, StableDiffusionPipeline], schedule: dict[str, Any]) -> None:
    original = model(pipes["original"])
    latents = run_original(original, PROMPTS, SEEDS, K).latents
    expected, _ = hand_over(model(pipes["unet"]), original, PROMPTS, latents, ("prompt", "empty"))
    other = rewritten(pipes["unet"], **schedule)
    result, _ = hand_over(aligned_to_base(model(other), original), original, PROMPTS, latents, ("prompt", "empty"))
    for branch, x in expected.items():
        assert torch.allclose(result[branch], x, rtol=1e-2, atol=2e-2), branch
    if schedule.get("beta_schedule"):
        assert any(t != round(t) for t in other.unet.asked), "its own timesteps lie between whole ones"


def test_one_schedule_is_left_as_it_is(pipes: dict[str, StableDiffusionPipeline]) -> None:
    item, other = model(pipes["original"]), model(pipes["unet"])
    assert aligned_to_base(other, item) is other


def test_without_alignment_it_would_draw_something_else(pipes: dict[str, StableDiffusionPipeline]) -> None:
    original = model(pipes["original"])
    latents = run_original(original, PROMPTS, SEEDS, K).latents
    other = model(rewritten(pipes["unet"], **OTHERS[1]))
    item, two = (hand_over(theta, original, PROMPTS, latents, ("empty",))[0] for theta in (other, aligned_to_base(other, original)))
    assert not torch.allclose(item["empty", 2], two["empty", 2], atol=0.1)


def test_levels_it_never_saw_are_refused(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """Betas so small that it never saw nearly pure noise."""
    other = plain(pipes["unet"], scheduler=DDIMScheduler.from_config(pipes["unet"].scheduler.config, beta_start=1e-5, beta_end=1e-3))
    with raises("noise.levels-not-covered"):
        aligned_to_base(model(other), model(pipes["original"]))


def test_flow_matching_needs_one_shift() -> None:
    item, other = (SimpleNamespace(noise_levels=lambda levels=levels: levels) for levels in ((1.0, 0.5), (1.0, 0.7)))
    with raises("noise.other-shift"):
        aligned_to_base(item, other)  # type: ignore[arg-type]
