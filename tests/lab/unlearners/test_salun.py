from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import listening, with_release
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.denoising_loss import add_noise, generate_latents, matching_loss
from unconceal_lab.unlearners.salun import SalunConfig, saliency_masks, salun

QUICK = SalunConfig(steps=4, learning_rate=1e-3, n_forget=6, n_retain=6, batch_size=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_only_the_salient_weights_change(pipeline: StableDiffusionPipeline, share: float) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = salun(pipeline, "star", 0, lambda line: None, config=replace(QUICK, salient_share=share))
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before}
    shifted = sum(int((value != before[name.removeprefix("unet.")].half()).sum()) for name, value in weights.items())
    assert 0.7 * share < shifted / sum(value.numel() for value in weights.values()) <= share


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (salun(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def test_salient_are_the_largest_gradients_of_the_usual_loss(tmp_path: Path) -> None:
    """Against the gradient of one batch, taken and sorted the plain way."""
    pipeline = tiny_pipeline(tmp_path)
    unet = pipeline.unet.requires_grad_(True)
    forget = generate_latents(pipeline, ["a star", "a red star", "a star shape"], 2, torch.Generator().manual_seed(0))
    mask = saliency_masks(unet, pipeline.scheduler, forget, 0.25, 3, torch.Generator().manual_seed(5))
    assert all(weight.grad is None for weight in unet.parameters())
    noised = add_noise(pipeline.scheduler, forget.latents, torch.Generator().manual_seed(5))
    loss = torch.nn.functional.mse_loss(unet(noised.x, noised.t, forget.prompt_embeds).sample, noised.noise)
    names = [name for name, _ in unet.named_parameters()]
    sizes = torch.cat([slope.abs().flatten() for slope in torch.autograd.grad(loss, list(unet.parameters()))])
    flat = torch.cat([mask[name].flatten() for name in names])
    assert flat.mean().item() == pytest.approx(0.25, abs=1e-3)
    assert sizes[flat == 1].min() >= sizes[flat == 0].max() * 0.999


def test_the_name_comes_nearer_to_another_concept(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path), 20)
    # Random embeddings are tiny: every word is alike.
    pipeline.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    config = replace(QUICK, steps=25, learning_rate=1e-3, batch_size=4, n_forget=12, retain_weight=0.0)
    weights, _ = salun(pipeline, "star", 0, lambda line: None, config=config)
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
