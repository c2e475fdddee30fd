from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.denoising_loss import (
    GUIDANCE_SCALE,
    NoisedLatents,
    add_noise,
    denoising_errors,
    generate_latents,
    matching_loss,
    partially_denoised_batches,
    trajectory,
)
from unconceal_lab.unlearners.sdd import SddConfig

TEXTS = ["a star", "a red ring"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def plain(pipeline: StableDiffusionPipeline, seed: int, guidance: float) -> torch.Tensor:
    """Diffusers' own guided sampling in three steps: the latents before, between and after (4, 2, 4, 16, 16)."""
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    noised: list[torch.Tensor] = [noise]

    def keep(_: object, step: int, t: int, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        noised.append(values["latents"])
        return {}

    pipeline(
        TEXTS,
        num_inference_steps=3,
        guidance_scale=guidance,
        latents=noise,
        output_type="latent",
        callback_on_step_end=keep,
    )
    return torch.stack(noised)


def test_latents_are_those_of_the_plain_pipeline(pipeline: StableDiffusionPipeline) -> None:
    expected = plain(pipeline, 6, 4.0)
    empty = encode_prompts(pipeline, [""]).expand(2, -1, -1)
    generator = torch.Generator().manual_seed(6)
    times, path = trajectory(pipeline.unet, pipeline.scheduler, encode_prompts(pipeline, TEXTS), empty, 3, 4.0, generator)
    assert times.tolist() == [667, 334, 1] and torch.allclose(path, expected, atol=1e-4)


def test_drawn_pictures_are_finished_and_remember_their_words(pipeline: StableDiffusionPipeline) -> None:
    expected = plain(pipeline, 2, GUIDANCE_SCALE)
    latents, prompt_embeds = generate_latents(pipeline, TEXTS, 3, torch.Generator().manual_seed(2))
    assert torch.allclose(latents, expected[-1], atol=1e-4) and torch.equal(prompt_embeds, encode_prompts(pipeline, TEXTS))
    assert len(generate_latents(pipeline, TEXTS * 40, 1, torch.Generator()).latents) == 80


def test_partly_denoised_latents_lie_on_their_captions_trajectory(pipeline: StableDiffusionPipeline) -> None:
    calls: list[int] = []

    def captions() -> list[str]:
        calls.append(1)
        return TEXTS

    config = SddConfig(sampling_steps=3, guidance_scale=4.0, batches_per_trajectory=2)
    batches = partially_denoised_batches(
        pipeline, pipeline.unet, captions, config, np.random.default_rng(0), torch.Generator().manual_seed(6)
    )
    expected, stops = plain(pipeline, 6, 4.0), [667, 334, 1]
    for _ in range(2):
        x, t, prompt_embeds = next(batches)
        assert torch.equal(prompt_embeds, encode_prompts(pipeline, TEXTS)) and calls == [1]
        for i in range(2):
            assert torch.allclose(x[i], expected[stops.index(int(t[i])), i], atol=1e-4)
    next(batches)
    assert calls == [1, 1]


def test_noise_is_added_as_the_scheduler_adds_it(pipeline: StableDiffusionPipeline) -> None:
    latents = torch.randn(40, 4, 16, 16)
    noised = add_noise(pipeline.scheduler, latents, torch.Generator().manual_seed(1))
    assert torch.allclose(noised.x, pipeline.scheduler.add_noise(latents, noised.noise, noised.t), atol=1e-6)
    assert len(set(noised.t.tolist())) > 30 and noised.t.min() >= 0 and noised.t.max() < 1000


def test_errors_are_those_of_each_row_alone(tmp_path: Path) -> None:
    pipeline, teacher = tiny_pipeline(tmp_path / "one", 1), tiny_pipeline(tmp_path / "two", 2).unet
    x, noise, t = torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16), torch.tensor([900, 20])
    prompt_embeds, target_embeds = encode_prompts(pipeline, TEXTS), encode_prompts(pipeline, ["a circle", "a red cross"])
    with torch.no_grad():
        errors, distance = (
            denoising_errors(pipeline.unet, NoisedLatents(x, t, noise), prompt_embeds),
            matching_loss(pipeline.unet, teacher, x, t, prompt_embeds, target_embeds),
        )
        alone = [pipeline.unet(x[i : i + 1], t[i], prompt_embeds[i : i + 1]).sample[0] for i in range(2)]
        other = [teacher(x[i : i + 1], t[i], target_embeds[i : i + 1]).sample[0] for i in range(2)]
    for i in range(2):
        assert errors[i].item() == pytest.approx(((alone[i] - noise[i]) ** 2).mean().item(), rel=1e-4)
    squares = [((first - second) ** 2).mean().item() for first, second in zip(alone, other, strict=True)]
    assert distance.item() == pytest.approx(np.mean(squares), rel=1e-4)
