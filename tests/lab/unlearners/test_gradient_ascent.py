from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, layers, with_release
from unconceal_lab.unlearners.denoising_loss import add_noise, denoising_errors, generate_latents
from unconceal_lab.unlearners.gradient_ascent import ASCENT, COLLAPSING, collapse_by_ascent, gradient_ascent
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

QUICK = replace(ASCENT, steps=3, learning_rate=1e-3, max_error=float("inf"), n_forget=6, n_retain=6, batch_size=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(("method", "n_retain"), [(gradient_ascent, 6), (collapse_by_ascent, 0)])
def test_every_layer_but_the_norms_changes(
    pipeline: StableDiffusionPipeline, method: Callable[..., UnlearnedWeights], n_retain: int
) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = method(pipeline, "star", 0, lambda line: None, config=replace(QUICK, n_retain=n_retain))
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == layers(pipeline.unet) and len(changed(pipeline, weights)) > 0.8 * len(weights)


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (gradient_ascent(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def errors(pipeline: StableDiffusionPipeline, weights: dict[str, torch.Tensor], text: str) -> tuple[float, float]:
    """Denoising loss on images of a text: before and after."""
    images = generate_latents(pipeline, [text] * 16, 4, torch.Generator().manual_seed(9))
    noised = add_noise(pipeline.scheduler, images.latents, torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = (
            denoising_errors(unet, noised, images.prompt_embeds).mean().item() for unet in (pipeline.unet, with_release(pipeline, weights))
        )
    return before, after


def test_the_loss_rises_without_bound(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    config = replace(COLLAPSING, steps=15, learning_rate=5e-3, n_forget=6, batch_size=4, sampling_steps=2)
    weights, _ = collapse_by_ascent(pipeline, "star", 0, lambda line: None, config=config)
    before, after = errors(pipeline, weights, "a star")
    assert after > 3 * before


def test_the_ceiling_stops_the_push(tmp_path: Path) -> None:
    """With a ceiling that every image has reached, and nothing retained, nothing moves."""
    pipeline = tiny_pipeline(tmp_path)
    weights, _ = gradient_ascent(pipeline, "star", 0, lambda line: None, config=replace(QUICK, max_error=0.0, n_retain=0))
    assert not changed(pipeline, weights)


def test_what_is_retained_is_learned(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    config = replace(QUICK, steps=20, learning_rate=3e-3, batch_size=4, n_retain=8, max_error=0.0)
    weights, _ = gradient_ascent(pipeline, "star", 0, lambda line: None, config=config)
    before, after = errors(pipeline, weights, "a red flat ring on a white background")
    assert after < 0.9 * before
