"""Stable Diffusion 1.4's denoiser and decoder with random weights: as large, as slow and as hungry as the real ones."""

from __future__ import annotations

from diffusers import AutoencoderKL, UNet2DConditionModel

TOKENS = 77


def sd14_unet() -> UNet2DConditionModel:
    """860 million weights, float32."""
    return UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=768,
        attention_head_dim=8,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    )


def sd14_vae() -> AutoencoderKL:
    """Images of 512 pixels."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )
