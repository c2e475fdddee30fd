from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import listening, with_release
from unconceal_lab.unlearners.concept_captions import embeddings
from unconceal_lab.unlearners.denoising_loss import drawn, matched, noised
from unconceal_lab.unlearners.salun import Settings, salient, salun

QUICK = Settings(steps=4, rate=1e-3, pictures=6, retained=6, batch=3, sampling_steps=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_only_the_salient_weights_change(pipe: StableDiffusionPipeline, share: float) -> None:
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = salun(pipe, "star", 0, lambda line: None, settings=replace(QUICK, salient=share))
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before}
    moved = sum(int((value != before[name.removeprefix("unet.")].half()).sum()) for name, value in weights.items())
    assert 0.7 * share < moved / sum(value.numel() for value in weights.values()) <= share


def test_the_same_seed_gives_the_same_weights(pipe: StableDiffusionPipeline) -> None:
    one, two, three = (salun(pipe, "star", seed, lambda line: None, settings=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)


def test_salient_are_the_largest_gradients_of_the_usual_loss(tmp_path: Path) -> None:
    """Against the gradient of one batch, taken and sorted the plain way."""
    pipe = tiny_pipeline(tmp_path)
    unet = pipe.unet.requires_grad_(True)
    forget = drawn(pipe, ["a star", "a red star", "a star shape"], 2, torch.Generator().manual_seed(0))
    mask = salient(unet, pipe.scheduler, forget, 0.25, 3, torch.Generator().manual_seed(5))
    assert all(weight.grad is None for weight in unet.parameters())
    seen = noised(pipe.scheduler, forget.latents, torch.Generator().manual_seed(5))
    loss = torch.nn.functional.mse_loss(unet(seen.x, seen.t, forget.words).sample, seen.noise)
    names = [name for name, _ in unet.named_parameters()]
    sizes = torch.cat([slope.abs().flatten() for slope in torch.autograd.grad(loss, list(unet.parameters()))])
    flat = torch.cat([mask[name].flatten() for name in names])
    assert flat.mean().item() == pytest.approx(0.25, abs=1e-3)
    assert sizes[flat == 1].min() >= sizes[flat == 0].max() * 0.999


def test_the_name_comes_nearer_to_another_concept(tmp_path: Path) -> None:
    pipe = listening(tiny_pipeline(tmp_path), 20)
    # Random embeddings are tiny: every word is alike.
    pipe.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    settings = replace(QUICK, steps=25, rate=1e-3, batch=4, pictures=12, retention=0.0)
    weights, _ = salun(pipe, "star", 0, lambda line: None, settings=settings)
    x, t = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((8,), 600)
    said, instead = (embeddings(pipe, [f"a red flat {name} on a white background"] * 8) for name in ("star", "circle"))
    with torch.no_grad():
        before, after = (matched(unet, pipe.unet, x, t, said, instead) for unet in (pipe.unet, with_release(pipe, weights)))
    assert after < 0.75 * before
