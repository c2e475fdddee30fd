from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, listening, with_release
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.esd import ESD_X, EsdConfig, esd_u, esd_x, negative_guidance
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

QUICK = EsdConfig(steps=6, learning_rate=1e-3, batch_size=3, sampling_steps=3, batches_per_trajectory=2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(("method", "cross"), [(esd_x, True), (esd_u, False)])
def test_only_its_own_layers_change(pipeline: StableDiffusionPipeline, method: Callable[..., UnlearnedWeights], cross: bool) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = method(pipeline, "star", 0, lambda line: None, config=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {name for name in layers(pipeline.unet) if (".attn2." in name) == cross}
    assert len(changed(pipeline, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (esd_x(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def test_training_approaches_negated_guidance(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path))
    config = replace(ESD_X, steps=40, learning_rate=3e-3, batch_size=8, sampling_steps=2)
    weights, _ = esd_x(pipeline, "star", 0, lambda line: None, config=config)
    student = with_release(pipeline, weights)
    prompt_embeds, empty = encode_prompts(pipeline, ["a star"] * 8), encode_prompts(pipeline, [""] * 8)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    target = negative_guidance(pipeline.unet, x, t, prompt_embeds, empty, config.strength)
    with torch.no_grad():
        before, after = ((unet(x, t, prompt_embeds).sample - target).square().mean() for unet in (pipeline.unet, student))
    assert after < 0.75 * before


def test_the_target_is_the_negative_guidance(pipeline: StableDiffusionPipeline) -> None:
    prompt_embeds, empty = encode_prompts(pipeline, ["a star", "a red star"]), encode_prompts(pipeline, ["", ""])
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([900, 100])
    target = negative_guidance(pipeline.unet, x, t, prompt_embeds, empty, 2.0)
    with torch.no_grad():
        for i in range(2):
            alone = slice(i, i + 1)
            unconditional, conditional = (pipeline.unet(x[alone], t[i], states[alone]).sample for states in (empty, prompt_embeds))
            assert torch.allclose(target[alone], unconditional - 2.0 * (conditional - unconditional), atol=1e-5)
