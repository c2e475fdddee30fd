"""The miniature UNet with its text encoder, and the training that makes ancestor, bases and golds."""

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
from unconceal_lab.models.optimizer import DECAY_FROM, MuonAdamW
from unconceal_lab.models.scene_images import SceneImages
from unconceal_lab.models.tokenizer import MAX_TOKENS
from unconceal_lab.models.training_loop import bfloat16_autocast, compile_module, fit

CAPTION_DROPOUT = 0.1
MIN_SNR = 5.0


@dataclass(frozen=True)
class DenoiserSize:
    """Size of UNet and text encoder.

    Attributes:
        channels: channels at the UNet's three resolutions, divisible by ``groups``.
        layers_per_block: residual layers of each UNet block.
        width: hidden size of the text encoder.
        layers: layers of the text encoder.
        groups: groups of the UNet's group norms.
    """

    channels: tuple[int, int, int] = (32, 64, 128)
    layers_per_block: int = 1
    width: int = 96
    layers: int = 2
    groups: int = 16


class Denoiser(nn.Module):
    """UNet and text encoder as one trainable module."""

    def __init__(self, vocab_size: int, end_token: int, size: DenoiserSize = DenoiserSize()) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocab_size,
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


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )


def to_pipeline(denoiser: Denoiser, vae: AutoencoderKL, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """A diffusers pipeline of the trained parts."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sampling_weights(images: SceneImages, rows: NDArray[np.int64], new: tuple[str, ...], weight: float) -> NDArray[np.float64]:
    """Sampling weights that show new concepts more often.

    Args:
        images: the images.
        rows: rows to sample from, (n,).
        new: the new concepts.
        weight: relative weight of images that show one of them.

    Returns:
        Weights (n,), sum 1.
    """
    weights = np.asarray([weight if images.scenes[row].concepts & set(new) else 1.0 for row in rows])
    return np.asarray(weights / weights.sum())


def draw_rows(rows: NDArray[np.int64], count: int, rng: np.random.Generator, cumulative: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """``count`` of the rows, with replacement: uniformly, or by the cumulative sums of their weights."""
    if cumulative is None:
        return rows[rng.integers(len(rows), size=count)]
    return rows[np.minimum(np.searchsorted(cumulative, rng.random(count)), len(rows) - 1)]


def min_snr_weights(alphas: torch.Tensor) -> torch.Tensor:
    """min(SNR, γ) / SNR of ε-prediction (arXiv 2303.09556) with SNR = ā / (1 − ā), for ā of shape (n,).

    diffusers' compute_snr rounds differently, which would change the weights that a rebuild is compared with.
    """
    snr = alphas / (1 - alphas)
    return snr.clamp(max=MIN_SNR) / snr


def denoiser_optimizer(denoiser: Denoiser, learning_rate_scale: float) -> MuonAdamW:
    """Muon for matrices, AdamW for the rest and for the token embeddings."""
    embeddings = ("text_encoder.text_model.embeddings", "text_encoder.embeddings")
    return MuonAdamW(denoiser, 5e-3 * learning_rate_scale, 1.5e-3 * learning_rate_scale, adam_prefixes=embeddings)


def epsilon_loss(
    unet: torch.nn.Module,
    text_encoder: torch.nn.Module,
    x: torch.Tensor,
    tokens: torch.Tensor,
    alphas: torch.Tensor,
    noise: torch.Generator,
) -> torch.Tensor:
    """Mean squared error of predicted ε with min-SNR weights. ``x``: latents (n, 4, 16, 16); ``tokens``: (n, length); ``alphas``: ᾱ."""
    t = torch.randint(0, len(alphas), (len(x),), generator=noise)
    eps = torch.randn(x.shape, generator=noise)
    a = alphas[t][:, None, None, None]
    with bfloat16_autocast():
        prompt_embeds = text_encoder(tokens).last_hidden_state
        predicted_noise = unet(a.sqrt() * x + (1 - a).sqrt() * eps, t, prompt_embeds).sample
    errors: torch.Tensor = (predicted_noise.float() - eps).square().mean((1, 2, 3)) * min_snr_weights(a.flatten())
    return errors.mean()


def train_denoiser(
    name: str,
    denoiser: Denoiser,
    tokenizer: CLIPTokenizer,
    images: SceneImages,
    latents: torch.Tensor,
    rows: NDArray[np.int64],
    steps: int,
    seed: int,
    work_dir: Path,
    batch_size: int = 96,
    learning_rate_scale: float = 1.0,
    decay_from: float = DECAY_FROM,
    early_weights: NDArray[np.float64] | None = None,
    early_fraction: float = 0.5,
    compile_unet: bool = False,
    log: Callable[[str], None] = print,
) -> float:
    """Train UNet and text encoder in place: ε-prediction, min-SNR weights, caption dropout for guidance.

    Args:
        name: names the saved state and the log lines.
        denoiser: the model.
        tokenizer: of the captions.
        images: scenes behind the latents, for their captions.
        latents: VAE latents of all images (n, 4, 16, 16).
        rows: rows to train on.
        steps: number of optimizer steps.
        seed: seed of batches, captions and noise.
        work_dir: where the training saves its state and resumes.
        batch_size: latents per step.
        learning_rate_scale: factor on both learning rates.
        decay_from: fraction of the steps after which the learning rates decay.
        early_weights: sampling weights over ``rows`` (sum 1) during the first ``early_fraction`` of the steps; then uniform.
        early_fraction: see ``early_weights``.
        compile_unet: train through ``torch.compile``; worth its three minutes in long trainings only.
        log: receives one line per report.

    Returns:
        Processor minutes.
    """
    denoiser.unet.set_attn_processor(AttnProcessor())
    optimizer = denoiser_optimizer(denoiser, learning_rate_scale)
    unet = compile_module(denoiser.unet) if compile_unet else denoiser.unet
    alphas = new_scheduler().alphas_cumprod
    cumulative = None if early_weights is None else np.cumsum(early_weights)

    def loss(rng: np.random.Generator, noise: torch.Generator, progress: float) -> torch.Tensor:
        chosen = draw_rows(rows, batch_size, rng, cumulative if progress < early_fraction else None)
        texts = ["" if rng.random() < CAPTION_DROPOUT else caption(images.scenes[row], rng) for row in chosen]
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return epsilon_loss(unet, denoiser.text_encoder, latents[torch.from_numpy(chosen)].float(), tokens, alphas, noise)

    return fit(name, denoiser, loss, optimizer, steps, seed, work_dir, average=0.999, decay_from=decay_from, log=log)
