from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import embeddings
from unconceal_lab.unlearners.denoising_loss import GUIDANCE, Noised, drawn, error, matched, noised, partly_denoised, trajectory

TEXTS = ["a star", "a red ring"]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def plain(pipe: StableDiffusionPipeline, seed: int, guidance: float) -> torch.Tensor:
    """Diffusers' own guided sampling in three steps: the latents before, between and after (4, 2, 4, 16, 16)."""
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    seen: list[torch.Tensor] = [noise]

    def keep(_: object, step: int, t: int, kept: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.append(kept["latents"])
        return {}

    pipe(
        TEXTS,
        num_inference_steps=3,
        guidance_scale=guidance,
        latents=noise,
        output_type="latent",
        callback_on_step_end=keep,
    )
    return torch.stack(seen)


def test_latents_are_those_of_the_plain_pipeline(pipe: StableDiffusionPipeline) -> None:
    expected = plain(pipe, 6, 4.0)
    empty = embeddings(pipe, [""]).expand(2, -1, -1)
    generator = torch.Generator().manual_seed(6)
    times, path = trajectory(pipe.unet, pipe.scheduler, embeddings(pipe, TEXTS), empty, 3, 4.0, generator)
    assert times.tolist() == [667, 334, 1] and torch.allclose(path, expected, atol=1e-4)


def test_drawn_pictures_are_finished_and_remember_their_words(pipe: StableDiffusionPipeline) -> None:
    expected = plain(pipe, 2, GUIDANCE)
    latents, words = drawn(pipe, TEXTS, 3, torch.Generator().manual_seed(2))
    assert torch.allclose(latents, expected[-1], atol=1e-4) and torch.equal(words, embeddings(pipe, TEXTS))
    assert len(drawn(pipe, TEXTS * 40, 1, torch.Generator()).latents) == 80


def test_partly_denoised_latents_stand_on_a_path_of_their_own_caption(pipe: StableDiffusionPipeline) -> None:
    asked: list[int] = []

    def captions() -> list[str]:
        asked.append(1)
        return TEXTS

    batches = partly_denoised(pipe, pipe.unet, captions, 3, 4.0, 2, np.random.default_rng(0), torch.Generator().manual_seed(6))
    expected, stops = plain(pipe, 6, 4.0), [667, 334, 1]
    for _ in range(2):
        x, t, words = next(batches)
        assert torch.equal(words, embeddings(pipe, TEXTS)) and asked == [1]
        for i in range(2):
            assert torch.allclose(x[i], expected[stops.index(int(t[i])), i], atol=1e-4)
    next(batches)
    assert asked == [1, 1]


def test_noise_is_added_as_the_scheduler_adds_it(pipe: StableDiffusionPipeline) -> None:
    latents = torch.randn(40, 4, 16, 16)
    seen = noised(pipe.scheduler, latents, torch.Generator().manual_seed(1))
    assert torch.allclose(seen.x, pipe.scheduler.add_noise(latents, seen.noise, seen.t), atol=1e-6)
    assert len(set(seen.t.tolist())) > 30 and seen.t.min() >= 0 and seen.t.max() < 1000


def test_errors_are_those_of_each_row_alone(tmp_path: Path) -> None:
    pipe, frozen = tiny_pipeline(tmp_path / "one", 1), tiny_pipeline(tmp_path / "two", 2).unet
    x, noise, t = torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16), torch.tensor([900, 20])
    words, instead = embeddings(pipe, TEXTS), embeddings(pipe, ["a circle", "a red cross"])
    with torch.no_grad():
        wrong, apart = error(pipe.unet, Noised(x, t, noise), words), matched(pipe.unet, frozen, x, t, words, instead)
        alone = [pipe.unet(x[i : i + 1], t[i], words[i : i + 1]).sample[0] for i in range(2)]
        other = [frozen(x[i : i + 1], t[i], instead[i : i + 1]).sample[0] for i in range(2)]
    for i in range(2):
        assert wrong[i].item() == pytest.approx(((alone[i] - noise[i]) ** 2).mean().item(), rel=1e-4)
    squares = [((one - two) ** 2).mean().item() for one, two in zip(alone, other, strict=True)]
    assert apart.item() == pytest.approx(np.mean(squares), rel=1e-4)
