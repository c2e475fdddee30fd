from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, with_release
from unconceal_lab.unlearners.denoising_loss import drawn, error, noised
from unconceal_lab.unlearners.gradient_ascent import ASCENT, COLLAPSING, ascend, collapse_by_ascent
from unconceal_lab.unlearners.released_weights import Release

QUICK = replace(ASCENT, steps=3, rate=1e-3, ceiling=float("inf"), pictures=6, retained=6, batch=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(("method", "retained"), [(ascend, 6), (collapse_by_ascent, 0)])
def test_every_layer_but_the_norms_changes(pipe: StableDiffusionPipeline, method: Callable[..., Release], retained: int) -> None:
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = method(pipe, "star", 0, lambda line: None, settings=replace(QUICK, retained=retained))
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == layers(pipe.unet) and len(changed(pipe, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipe: StableDiffusionPipeline) -> None:
    one, two, three = (ascend(pipe, "star", seed, lambda line: None, settings=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)


def errors(pipe: StableDiffusionPipeline, weights: dict[str, torch.Tensor], text: str) -> tuple[float, float]:
    """Of the usual loss on pictures of a text: before and after."""
    shown = drawn(pipe, [text] * 16, 4, torch.Generator().manual_seed(9))
    seen = noised(pipe.scheduler, shown.latents, torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = (error(unet, seen, shown.words).mean().item() for unet in (pipe.unet, with_release(pipe, weights)))
    return before, after


def test_the_loss_rises_without_bound(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    settings = replace(COLLAPSING, steps=15, rate=5e-3, pictures=6, batch=4, sampling_steps=2)
    weights, _ = collapse_by_ascent(pipe, "star", 0, lambda line: None, settings=settings)
    before, after = errors(pipe, weights, "a star")
    assert after > 3 * before


def test_the_ceiling_stops_the_push(tmp_path: Path) -> None:
    """With a ceiling that every picture has reached, and nothing retained, nothing moves."""
    pipe = tiny_pipeline(tmp_path)
    weights, _ = ascend(pipe, "star", 0, lambda line: None, settings=replace(QUICK, ceiling=0.0, retained=0))
    assert not changed(pipe, weights)


def test_what_is_retained_is_learned(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    settings = replace(QUICK, steps=20, rate=3e-3, batch=4, retained=8, ceiling=0.0)
    weights, _ = ascend(pipe, "star", 0, lambda line: None, settings=settings)
    before, after = errors(pipe, weights, "a red flat ring on a white background")
    assert after < 0.9 * before
