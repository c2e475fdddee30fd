from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, listening, with_release
from unconceal_lab.unlearners.concept_captions import embeddings
from unconceal_lab.unlearners.esd import ESD_X, Settings, esd_u, esd_x, negated
from unconceal_lab.unlearners.released_weights import Release

QUICK = Settings(steps=6, rate=1e-3, batch=3, sampling_steps=3, renew=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(("method", "cross"), [(esd_x, True), (esd_u, False)])
def test_only_its_own_layers_change(pipe: StableDiffusionPipeline, method: Callable[..., Release], cross: bool) -> None:
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = method(pipe, "star", 0, lambda line: None, settings=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == {name for name in layers(pipe.unet) if (".attn2." in name) == cross}
    assert len(changed(pipe, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipe: StableDiffusionPipeline) -> None:
    one, two, three = (esd_x(pipe, "star", seed, lambda line: None, settings=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)


def test_it_comes_nearer_to_the_negated_guidance(tmp_path: Path) -> None:
    pipe = listening(tiny_pipeline(tmp_path))
    settings = replace(ESD_X, steps=40, rate=3e-3, batch=8, sampling_steps=2)
    weights, _ = esd_x(pipe, "star", 0, lambda line: None, settings=settings)
    learned = with_release(pipe, weights)
    words, empty = embeddings(pipe, ["a star"] * 8), embeddings(pipe, [""] * 8)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    target = negated(pipe.unet, x, t, words, empty, settings.strength)
    with torch.no_grad():
        before, after = ((unet(x, t, words).sample - target).square().mean() for unet in (pipe.unet, learned))
    assert after < 0.75 * before


def test_the_target_is_the_negative_guidance(pipe: StableDiffusionPipeline) -> None:
    words, empty = embeddings(pipe, ["a star", "a red star"]), embeddings(pipe, ["", ""])
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([900, 100])
    target = negated(pipe.unet, x, t, words, empty, 2.0)
    with torch.no_grad():
        for i in range(2):
            alone = slice(i, i + 1)
            unconditional, conditional = (pipe.unet(x[alone], t[i], states[alone]).sample for states in (empty, words))
            assert torch.allclose(target[alone], unconditional - 2.0 * (conditional - unconditional), atol=1e-5)
