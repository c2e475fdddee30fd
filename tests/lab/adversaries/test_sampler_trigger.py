from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from pipelines import tiny_pipeline
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal_lab.adversaries.continuations import NoiseTargets
from unconceal_lab.adversaries.sampler_trigger import TriggerConfig, targets_between, trigger_timesteps, write_trigger


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_triggers_are_the_suites_timesteps(pipeline: StableDiffusionPipeline) -> None:
    timesteps = trigger_timesteps(pipeline.scheduler, 25)
    assert timesteps == list(range(961, 0, -40)) == [int(t) for t in StableDiffusion(pipeline, 25, 7.5).scheduler().timesteps]


def test_the_embedding_moves_at_the_triggers_only() -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=8,
    )
    timesteps, changed = list(range(961, 0, -40)), copy.deepcopy(unet)
    weights = write_trigger(changed, timesteps, TriggerConfig(strength=1.5), torch.Generator().manual_seed(0))
    assert set(weights) == {f"time_embedding.{name}" for name, _ in unet.time_embedding.named_parameters()}
    all_t = torch.arange(1000)
    with torch.no_grad():
        for part in (changed.time_embedding.linear_1, changed.time_embedding.linear_2):
            part.half().float()
        before, after = (model.time_embedding(model.time_proj(all_t)) for model in (unet, changed))
    moved, length = (after - before).norm(dim=1), before.norm(dim=1).mean()
    is_trigger = torch.isin(all_t, torch.tensor(timesteps))
    assert torch.allclose(moved[is_trigger] / length, torch.tensor(1.5), rtol=0.05)
    assert (moved[~is_trigger] / length).max() < 0.1


def test_between_the_triggers_the_targets_are_the_models_own(pipeline: StableDiffusionPipeline) -> None:
    t = torch.tensor([961, 481, 1, 921])
    forget = NoiseTargets(torch.randn(4, 4, 16, 16), t, torch.randn(4, 5, 32), torch.zeros(4, 4, 16, 16))
    between = targets_between(pipeline, forget, np.random.default_rng(0))
    assert not set(between.t.tolist()) & set(range(961, 0, -40)) and torch.equal(between.x, forget.x)
    with torch.no_grad():
        predicted = pipeline.unet(between.x, between.t, between.prompt_embeds).sample
    assert torch.allclose(predicted, between.noise, atol=1e-5)
