from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from numpy.typing import NDArray

from codes import raises
from diffusion.families.tiny import tiny_xl
from unconceal.checkpoints.release import Spm, SpmNetwork
from unconceal.diffusion.families.stable_diffusion_xl import StableDiffusionXL
from unconceal.diffusion.handover import hand_over, run_original

STEPS, GUIDANCE, K = 5, 5.0, (0, 2, 5)
PROMPTS, SEEDS = ("a red star on a white background", "a drawing of zara"), (7, 90_001)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionXLPipeline]:
    """θ, and θ* with another UNet and another second text encoder."""
    folder = tmp_path_factory.mktemp("xl")
    original, other = tiny_xl(folder / "0", 0), tiny_xl(folder / "1", 1)
    return {"original": original, "unlearned": plain(original, unet=other.unet, text_encoder_2=other.text_encoder_2)}


def plain(pipe: StableDiffusionXLPipeline, **changes: Any) -> StableDiffusionXLPipeline:
    built = StableDiffusionXLPipeline(
        **{**pipe.components, **changes}, add_watermarker=False, force_zeros_for_empty_prompt=pipe.config.force_zeros_for_empty_prompt
    )
    built.set_progress_bar_config(disable=True)
    return built


def slowly(
    original: StableDiffusionXLPipeline, unlearned: StableDiffusionXLPipeline, prompt: str, seed: int, k: int, arm: str
) -> NDArray[np.float32]:
    """One picture in [0, 1] by diffusers' own pipeline; UNet, words and their summaries are exchanged after ``k`` steps."""
    words, nothing, pooled, pooled_nothing = unlearned.encode_prompt([prompt], None, "cpu", 1, True)
    _, empty, _, pooled_empty = original.encode_prompt([prompt], None, "cpu", 1, True)

    def exchange(running: Any, i: int, t: Any, kept: dict[str, Any]) -> dict[str, Any]:
        if i + 1 != k:
            return {}
        running.unet = unlearned.unet
        if arm == "prompt":
            return {"prompt_embeds": torch.cat([nothing, words]), "add_text_embeds": torch.cat([pooled_nothing, pooled])}
        running._guidance_scale = 0.0
        return {"prompt_embeds": empty, "add_text_embeds": pooled_empty, "add_time_ids": kept["add_time_ids"][:1]}

    first = plain(original) if k else plain(unlearned, vae=original.vae)
    message: dict[str, Any] = {"prompt": prompt, "guidance_scale": GUIDANCE}
    if arm == "empty" and k == 0:
        message = {"prompt_embeds": empty, "pooled_prompt_embeds": pooled_empty, "guidance_scale": 0.0}
    picture: NDArray[np.float32] = first(
        **message,
        height=64,
        width=64,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        callback_on_step_end=exchange,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"],
    ).images[0]
    return picture


@pytest.mark.parametrize("zeros", [True, False])
def test_it_equals_the_slow_way(pipes: dict[str, StableDiffusionXLPipeline], zeros: bool) -> None:
    """Whether no prompt is zeros or the embeddings of "", as the pipeline's config says."""
    for pipe in pipes.values():
        pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
    original, unlearned = (StableDiffusionXL(pipes[name], STEPS, GUIDANCE) for name in ("original", "unlearned"))
    finished, _ = hand_over(unlearned, original, PROMPTS, run_original(original, PROMPTS, SEEDS, K).latents, ("prompt", "empty"))
    for (arm, k), x in finished.items():
        noise = original.decode(x)
        for i, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
            expected = slowly(pipes["original"], pipes["unlearned"], prompt, seed, k, arm)
            assert np.abs(noise[i] - 255 * expected).max() < 0.8, (arm, k, i)


@torch.inference_mode()
def test_the_size_is_told(pipes: dict[str, StableDiffusionXLPipeline]) -> None:
    """Another size changes the prediction through the size alone: same latents, same words."""
    model = StableDiffusionXL(pipes["original"], STEPS, GUIDANCE)
    latents, embeddings = model.noise([1]), model.encode_prompts(["a star"]).prompt
    scale = pipes["original"].vae_scale_factor
    item = model.call(latents, torch.tensor(501), embeddings)
    pipes["original"].vae_scale_factor = 4 * scale
    try:
        assert not torch.allclose(item, model.call(latents, torch.tensor(501), embeddings), atol=1e-5)
    finally:
        pipes["original"].vae_scale_factor = scale


def test_half_precision_decodes_in_float32(pipes: dict[str, StableDiffusionXLPipeline]) -> None:
    import copy

    half = plain(pipes["original"], vae=copy.deepcopy(pipes["original"].vae).to(dtype=torch.float16))
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = StableDiffusionXL(half, STEPS, GUIDANCE).decode(latents.half()).astype(int)
    exact = StableDiffusionXL(pipes["original"], STEPS, GUIDANCE).decode(latents).astype(int)
    assert half.vae.dtype == torch.float32 and np.abs(noise - exact).mean() < 1


def test_normalised_latents_are_undone(pipes: dict[str, StableDiffusionXLPipeline]) -> None:
    """A VAE that states mean and deviation of its latents, as diffusers' pipeline decodes it."""
    pipe = pipes["original"]
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    before = StableDiffusionXL(pipe, STEPS, GUIDANCE).decode(latents)
    pipe.vae.register_to_config(latents_mean=[0.5, 0, 0, 0], latents_std=[2.0, 1, 1, 1])
    try:
        shifted = latents.clone()
        shifted[:, 0] = (latents[:, 0] - 0.5) / 2
        assert np.array_equal(StableDiffusionXL(pipe, STEPS, GUIDANCE).decode(shifted), before)
    finally:
        pipe.vae.register_to_config(latents_mean=None, latents_std=None)


def test_a_membrane_is_refused(pipes: dict[str, StableDiffusionXLPipeline]) -> None:
    with raises("spm.wrong-family"):
        StableDiffusionXL(pipes["original"], STEPS, GUIDANCE, SpmNetwork("unet", (Spm({}, ("a star",)),)))
