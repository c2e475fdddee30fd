"""Pipelines of the other families with random weights, each saved and loaded back, small enough for every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

from diffusion.pairs import listening
from pipelines import WIDTH, tiny_pipeline
from unconceal.specs.suite import FamilyName

SIZE = 64
SHIFT = 2.0
"""Of the tiny FLUX's schedule; μ = log 2."""


def tiny_xl(folder: Path, seed: int = 0) -> StableDiffusionXLPipeline:
    """Two text encoders side by side, and a UNet that is told sizes."""
    small = tiny_pipeline(folder / "parts", seed)
    torch.manual_seed(seed)
    config = CLIPTextConfig(**{**small.text_encoder.config.to_dict(), "hidden_act": "gelu"})
    unet = UNet2DConditionModel.from_config(
        small.unet.config,
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
    )
    StableDiffusionXLPipeline(
        vae=small.vae,
        text_encoder=small.text_encoder,
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer=small.tokenizer,
        tokenizer_2=small.tokenizer,
        unet=unet,
        scheduler=small.scheduler,
        add_watermarker=False,
    ).save_pretrained(folder)
    pipe: StableDiffusionXLPipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return listening(pipe)


def tiny_flux(folder: Path, seed: int = 0, guided: bool = True) -> FluxPipeline:
    """A transformer over 8×8 patches of a 64×64 picture; guidance built in, or not as in FLUX.1-schnell."""
    small = tiny_pipeline(folder / "parts", seed)
    torch.manual_seed(seed)
    vae = AutoencoderKL.from_config(small.vae.config, scaling_factor=0.8, shift_factor=0.1)
    vae.load_state_dict(small.vae.state_dict())
    mu = float(torch.tensor(SHIFT).log())
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=mu, max_shift=mu),
        vae=vae,
        text_encoder=small.text_encoder,
        tokenizer=small.tokenizer,
        text_encoder_2=_long_encoder(),
        tokenizer_2=_long_words(),
        transformer=_transformer(guided),
    ).save_pretrained(folder)
    pipe: FluxPipeline = FluxPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        pipe.transformer.context_embedder.weight.mul_(20)
    return pipe


def _transformer(guided: bool) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )


def _long_words() -> T5Tokenizer:
    words = ("a", "red", "star", "ring", "on", "white", "background", "drawing", "of", "zara")
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=[*special, *((f"▁{word}", -2.0) for word in words)], extra_ids=0)


def _long_encoder() -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=len(_long_words()), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=2))


def tiny_sd(folder: Path, seed: int = 0) -> StableDiffusionPipeline:
    return listening(tiny_pipeline(folder, seed))


TINY: dict[FamilyName, Callable[[Path, int], Any]] = {
    "stable-diffusion": tiny_sd,
    "stable-diffusion-xl": tiny_xl,
    "flux": tiny_flux,
}
