from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, listening, with_release
from unconceal_lab.unlearners.ablating_concepts import Settings, ablating_concepts
from unconceal_lab.unlearners.concept_captions import embeddings
from unconceal_lab.unlearners.denoising_loss import matched

QUICK = Settings(steps=4, rate=1e-3, pictures=6, batch=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_only_keys_and_values_change(pipe: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = ablating_concepts(pipe, "star", 0, lambda line: None, settings=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))}
    assert changed(pipe, weights) == set(weights)


def test_the_same_seed_gives_the_same_weights(pipe: StableDiffusionPipeline) -> None:
    one, two, three = (ablating_concepts(pipe, "star", seed, lambda line: None, settings=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)


def test_the_name_comes_nearer_to_the_anchor(tmp_path: Path) -> None:
    pipe = listening(tiny_pipeline(tmp_path), 20)
    settings = replace(QUICK, steps=25, rate=1e-2, batch=4, pictures=12)
    weights, _ = ablating_concepts(pipe, "star", 0, lambda line: None, settings=settings)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    said, instead = (embeddings(pipe, [f"a red flat {name} on a white background"] * 8) for name in ("star", "circle"))
    with torch.no_grad():
        before, after = (matched(unet, pipe.unet, x, t, said, instead) for unet in (pipe.unet, with_release(pipe, weights)))
    assert after < 0.75 * before
