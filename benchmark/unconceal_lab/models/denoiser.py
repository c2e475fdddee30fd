"""The miniature UNet and its text encoder: trained together on latents and captions; continued to make bases and golds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from unconceal.miniature.captions import caption
from unconceal_lab.models.drawings import Pictures
from unconceal_lab.models.optimizer import DECAY_FROM, MuonAdamW
from unconceal_lab.models.tokenizer import MAX_TOKENS
from unconceal_lab.models.training_loop import compiled, fit, half_precision

CAPTION_DROPOUT = 0.1
MIN_SNR = 5.0


@dataclass(frozen=True)
class Size:
    """``channels``: of the UNet's three resolutions, divisible by its norms' ``groups``; ``width``, ``layers``: of the text encoder."""

    channels: tuple[int, int, int] = (32, 64, 128)
    layers_per_block: int = 1
    width: int = 96
    layers: int = 2
    groups: int = 16


class Denoiser(nn.Module):
    """UNet and text encoder as one trainable module."""

    def __init__(self, vocabulary: int, end_token: int, size: Size = Size()) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=size.width,
                intermediate_size=4 * size.width,
                projection_dim=size.width,
                num_hidden_layers=size.layers,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=end_token - 1,
                eos_token_id=end_token,
                pad_token_id=end_token,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=size.channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=size.layers_per_block,
            attention_head_dim=4,
            norm_num_groups=size.groups,
            cross_attention_dim=size.width,
        )


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )


def pipeline(denoiser: Denoiser, vae: AutoencoderKL, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """A plain diffusers pipeline of the trained parts."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def balanced(pictures: Pictures, rows: NDArray[np.int64], new: tuple[str, ...], times: float) -> NDArray[np.float64]:
    """Sampling weights over ``rows``: pictures of a ``new`` concept count ``times`` as much; sums to 1."""
    weights = np.asarray([times if pictures.scenes[row].concepts & set(new) else 1.0 for row in rows])
    return np.asarray(weights / weights.sum())


def train(
    name: str,
    denoiser: Denoiser,
    tokenizer: CLIPTokenizer,
    pictures: Pictures,
    latents: torch.Tensor,
    rows: NDArray[np.int64],
    steps: int,
    seed: int,
    work: Path,
    batch: int = 96,
    rate: float = 1.0,
    decay_from: float = DECAY_FROM,
    early_weights: NDArray[np.float64] | None = None,
    early: float = 0.5,
    fast: bool = False,
    say: Callable[[str], None] = print,
) -> float:
    """Train ``denoiser`` in place on the pictures ``rows``; returns processor minutes.

    ``early_weights`` (per row, summing to 1) sample the first share ``early`` of the steps; the rest, and everything
    when it is None, is the natural mix. ε-prediction, min-SNR-5 weights, caption dropout for guidance. ``fast`` compiles the
    UNet, which repays its three minutes (once a machine) in long trainings only.
    """
    denoiser.unet.set_attn_processor(AttnProcessor())
    optimiser = MuonAdamW(
        denoiser, 5e-3 * rate, 1.5e-3 * rate, embeddings=("text_encoder.text_model.embeddings", "text_encoder.embeddings")
    )
    unet = compiled(denoiser.unet) if fast else denoiser.unet
    alphas = scheduler().alphas_cumprod
    cumulative = None if early_weights is None else np.cumsum(early_weights)

    def picked(rng: np.random.Generator, step_share: float) -> NDArray[np.int64]:
        if cumulative is None or step_share >= early:
            return rows[rng.integers(len(rows), size=batch)]
        return rows[np.minimum(np.searchsorted(cumulative, rng.random(batch)), len(rows) - 1)]

    def loss(rng: np.random.Generator, noise: torch.Generator, step_share: float) -> torch.Tensor:
        chosen = picked(rng, step_share)
        texts = ["" if rng.random() < CAPTION_DROPOUT else caption(pictures.scenes[row], rng) for row in chosen]
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        x = latents[torch.from_numpy(chosen)].float()
        t = torch.randint(0, len(alphas), (batch,), generator=noise)
        eps = torch.randn(x.shape, generator=noise)
        a = alphas[t][:, None, None, None]
        with half_precision():
            words = denoiser.text_encoder(tokens).last_hidden_state
            guess = unet(a.sqrt() * x + (1 - a).sqrt() * eps, t, words).sample
        snr = (a / (1 - a)).flatten()
        weight = snr.clamp(max=MIN_SNR) / snr
        error: torch.Tensor = (guess.float() - eps).square().mean((1, 2, 3)) * weight
        return error.mean()

    return fit(name, denoiser, loss, optimiser, steps, seed, work, average=0.999, decay_from=decay_from, say=say)
