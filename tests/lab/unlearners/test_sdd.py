from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, listening, with_release
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.denoising_loss import matching_loss
from unconceal_lab.unlearners.sdd import SddConfig, sdd

QUICK = SddConfig(steps=4, learning_rate=1e-3, ema_decay=0.5, batch_size=3, sampling_steps=3, batches_per_trajectory=2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_only_cross_attention_changes(pipeline: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = sdd(pipeline, "star", 0, lambda line: None, config=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {name for name in layers(pipeline.unet) if ".attn2." in name}
    assert len(changed(pipeline, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (sdd(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def test_the_average_is_released(pipeline: StableDiffusionPipeline) -> None:
    """After one update the average stands where its decay says between the old weights and the new."""
    new, half, none = (
        sdd(pipeline, "star", 0, lambda line: None, config=replace(QUICK, steps=1, ema_decay=ema_decay)).weights
        for ema_decay in (0.0, 0.5, 1.0)
    )
    assert not changed(pipeline, none)
    for name, value in half.items():
        assert torch.allclose(value.float(), (new[name].float() + none[name].float()) / 2, atol=1e-3)


def test_the_name_comes_nearer_to_saying_nothing(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path))
    config = replace(SddConfig(), steps=40, learning_rate=3e-3, ema_decay=0.8, batch_size=8, sampling_steps=2)
    weights, _ = sdd(pipeline, "star", 0, lambda line: None, config=config)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    student, prompt_embeds, empty = (
        with_release(pipeline, weights),
        encode_prompts(pipeline, ["a star"] * 8),
        encode_prompts(pipeline, [""] * 8),
    )
    with torch.no_grad():
        before, after = (matching_loss(unet, unet, x, t, prompt_embeds, empty) for unet in (pipeline.unet, student))
    assert after < 0.75 * before
