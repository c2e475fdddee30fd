"""A Stable Diffusion pipeline of random weights, small enough for every test that needs a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from unconceal.miniature.captions import caption
from unconceal.miniature.scene import sample_scene
from unconceal_lab.models import tokenizer

WIDTH = 32
"""Width of the text embeddings and the cross-attention."""


def tiny_pipeline(folder: Path, seed: int = 0) -> StableDiffusionPipeline:
    """A random 64×64 pipeline (16×16 latents, under 0.3 M parameters, float32), saved to ``folder`` and loaded back from it."""
    torch.manual_seed(seed)
    words = _tokenizer(folder)
    StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(words),
        tokenizer=words,
        unet=_denoiser(),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    pipe: StableDiffusionPipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def tiny_flux(seed: int = 0) -> FluxPipeline:
    """A FLUX pipeline with a random transformer and no other components."""
    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(2, 2, 4),
    )
    parts = dict.fromkeys(("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    return FluxPipeline(scheduler=FlowMatchEulerDiscreteScheduler(), transformer=transformer, **parts)


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """Always the same one: two pipelines of different seeds differ in their weights only."""
    rng = np.random.default_rng(0)
    return tokenizer.train_tokenizer([caption(sample_scene(rng), rng) for _ in range(600)], folder / "tokenizer")


def _text_encoder(words: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.MAX_TOKENS,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.eos_token_id,
        )
    )


def _denoiser() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=2,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
    )


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
        scaling_factor=1.0,
    )


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
