from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, listening, with_release
from unconceal_lab.unlearners.ablating_concepts import AblatingConceptsConfig, ablating_concepts
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.denoising_loss import matching_loss

QUICK = AblatingConceptsConfig(steps=4, learning_rate=1e-3, n_images=6, batch_size=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_only_keys_and_values_change(pipeline: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = ablating_concepts(pipeline, "star", 0, lambda line: None, config=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))}
    assert changed(pipeline, weights) == set(weights)


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (ablating_concepts(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def test_the_name_comes_nearer_to_the_anchor(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path), 20)
    config = replace(QUICK, steps=25, learning_rate=1e-2, batch_size=4, n_images=12)
    weights, _ = ablating_concepts(pipeline, "star", 0, lambda line: None, config=config)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    prompt_embeds, target_embeds = (
        encode_prompts(pipeline, [f"a red flat {name} on a white background"] * 8) for name in ("star", "circle")
    )
    with torch.no_grad():
        before, after = (
            matching_loss(unet, pipeline.unet, x, t, prompt_embeds, target_embeds)
            for unet in (pipeline.unet, with_release(pipeline, weights))
        )
    assert after < 0.75 * before
