from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, listening, with_release
from unconceal_lab.unlearners.concept_captions import embeddings
from unconceal_lab.unlearners.denoising_loss import matched
from unconceal_lab.unlearners.sdd import Settings, sdd

QUICK = Settings(steps=4, rate=1e-3, average=0.5, batch=3, sampling_steps=3, renew=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_only_cross_attention_changes(pipe: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = sdd(pipe, "star", 0, lambda line: None, settings=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == {name for name in layers(pipe.unet) if ".attn2." in name}
    assert len(changed(pipe, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipe: StableDiffusionPipeline) -> None:
    one, two, three = (sdd(pipe, "star", seed, lambda line: None, settings=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)


def test_the_average_is_released(pipe: StableDiffusionPipeline) -> None:
    """After one update the average stands where its decay says between the old weights and the new."""
    new, half, none = (
        sdd(pipe, "star", 0, lambda line: None, settings=replace(QUICK, steps=1, average=average)).weights for average in (0.0, 0.5, 1.0)
    )
    assert not changed(pipe, none)
    for name, value in half.items():
        assert torch.allclose(value.float(), (new[name].float() + none[name].float()) / 2, atol=1e-3)


def test_the_name_comes_nearer_to_saying_nothing(tmp_path: Path) -> None:
    pipe = listening(tiny_pipeline(tmp_path))
    settings = replace(Settings(), steps=40, rate=3e-3, average=0.8, batch=8, sampling_steps=2)
    weights, _ = sdd(pipe, "star", 0, lambda line: None, settings=settings)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    learned, said, empty = with_release(pipe, weights), embeddings(pipe, ["a star"] * 8), embeddings(pipe, [""] * 8)
    with torch.no_grad():
        before, after = (matched(unet, unet, x, t, said, empty) for unet in (pipe.unet, learned))
    assert after < 0.75 * before
