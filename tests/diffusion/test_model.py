from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from codes import raises
from diffusion.pairs import model, plain, trio
from unconceal.diffusion.model import check_latent_space
from unconceal.diffusion.schedule import ddim_timesteps


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    return trio(tmp_path_factory.mktemp("models"))


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_noise_is_drawn_picture_by_picture(pipes: dict[str, StableDiffusionPipeline]) -> None:
    noise = model(pipes["original"]).noise((5, 2**39, 6))
    expected = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (5, 2**39, 6)]
    assert torch.equal(noise, torch.cat(expected))


def test_words_are_those_of_the_text_encoder(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """Each alone, without the pipeline's own encoding; another text encoder gives others."""
    pipe = pipes["original"]
    embeddings = model(pipe).encode_prompts(["a star", "a ring"])
    words, empty = embeddings.prompt.prompt_embeds, embeddings.empty.prompt_embeds
    for i, text in enumerate(["a star", "a ring"]):
        ids = pipe.tokenizer([text, ""], padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.inference_mode():
            expected = pipe.text_encoder(ids).last_hidden_state
        assert torch.allclose(words[i], expected[0], atol=1e-5) and torch.allclose(empty[i], expected[1], atol=1e-5)
    assert not torch.allclose(words, model(pipes["text_encoder"]).encode_prompts(["a star", "a ring"]).prompt.prompt_embeds, atol=1e-2)


def test_pictures_do_not_depend_on_the_batch(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    decoded = model(pipes["original"]).decode(latents)
    assert decoded.shape == (3, 64, 64, 3) and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - model(pipes["original"]).decode(latents, batch_size=2)).max() <= 1


def test_the_scaling_of_latents_is_undone(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    # The same weights in the same place: elsewhere in memory they would move the last bit on some processors.
    vae = copy.copy(pipes["original"].vae)
    vae.register_to_config(scaling_factor=0.5)
    scaled = model(plain(pipes["original"], vae=vae)).decode(latents * 0.5)
    assert np.array_equal(scaled, model(pipes["original"]).decode(latents))
    assert not np.array_equal(scaled, model(plain(pipes["original"], vae=vae)).decode(latents))


def test_the_scheduler_is_the_plans(pipes: dict[str, StableDiffusionPipeline]) -> None:
    item = model(pipes["original"])
    assert tuple(item.scheduler().timesteps.tolist()) == ddim_timesteps(item.steps) and item.scheduler() is not item.scheduler()
    assert item.device == torch.device("cpu") and item.dtype == torch.float32


def test_one_latent_space_is_accepted(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    for part in ("original", "unet", "text_encoder"):
        check_latent_space(model(pipes["original"]), model(pipes[part]), latents)


def brighter(pipe: StableDiffusionPipeline, amount: float) -> StableDiffusionPipeline:
    """The same pipeline, its pictures brighter by ``amount`` (of a range of 2)."""
    vae = AutoencoderKL.from_config(pipe.vae.config)
    vae.load_state_dict(pipe.vae.state_dict())
    with torch.no_grad():
        vae.decoder.conv_out.bias += amount
    return plain(pipe, vae=vae)


def test_an_edited_decoder_of_the_same_space_is_accepted(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    check_latent_space(model(pipes["original"]), model(brighter(pipes["original"], 0.04)), latents)


def test_another_latent_space_is_refused(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    with raises("checkpoint.other-latent-space") as failed:
        check_latent_space(model(pipes["original"]), model(brighter(pipes["original"], 0.3)), latents)
    assert failed.value.exit_code == 1 and "base model" in failed.value.remedy


def test_pictures_of_another_size_are_refused(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    small = AutoencoderKL(
        block_out_channels=(4,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        layers_per_block=1,
        norm_num_groups=2,
    )
    with raises("checkpoint.other-latent-space"):
        check_latent_space(model(pipes["original"]), model(plain(pipes["original"], vae=small)), latents)


def test_a_unet_of_other_latents_is_refused(pipes: dict[str, StableDiffusionPipeline], latents: torch.Tensor) -> None:
    unet = UNet2DConditionModel.from_config({**pipes["original"].unet.config, "in_channels": 9})
    with raises("checkpoint.other-latent-space"):
        check_latent_space(model(pipes["original"]), model(plain(pipes["original"], unet=unet)), latents)
