"""A Stable Diffusion pipeline as the handover sampler sees it: words to embeddings, latents to ε, latents to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from numpy.typing import NDArray

from unconceal.errors import CheckFailed

LATENT_TOLERANCE = 0.05
"""Mean difference per pixel, on a scale of 0 to 1, up to which two VAE decoders count as one latent space."""


@dataclass(frozen=True)
class Model:
    """θ or θ*: one pipeline, a deterministic DDIM schedule (η = 0) of ``steps`` steps, and its guidance."""

    pipe: StableDiffusionPipeline
    steps: int
    guidance: float

    @property
    def device(self) -> torch.device:
        return torch.device(self.pipe.unet.device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.pipe.unet.dtype
        return dtype

    def scheduler(self) -> DDIMScheduler:
        """A fresh single-step solver over this pipeline's noise schedule."""
        made: DDIMScheduler = DDIMScheduler.from_config(self.pipe.scheduler.config)
        made.set_timesteps(self.steps, device=self.device)
        return made

    @torch.inference_mode()
    def embed(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings of the prompts and of as many empty prompts, each (n, tokens, width), by this model's text encoder."""
        words, empty = self.pipe.encode_prompt(list(prompts), self.device, 1, True, negative_prompt=[""] * len(prompts))
        return words, empty

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial latents (n, c, h, w), one processor generator per seed, so that they do not depend on the batch."""
        size = self.pipe.unet.config.sample_size
        shape = (1, self.pipe.unet.config.in_channels, size, size)
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        scaled: torch.Tensor = torch.cat(drawn) * self.scheduler().init_noise_sigma
        return scaled.to(self.device, self.dtype)

    @torch.inference_mode()
    def epsilon(self, latents: torch.Tensor, timestep: torch.Tensor, words: torch.Tensor, batch: int) -> torch.Tensor:
        """The UNet's prediction for rows of (latents, words) at one timestep, at most ``batch`` rows a call."""
        rows = zip(torch.split(latents, batch), torch.split(words, batch), strict=True)
        return torch.cat([self.pipe.unet(x, timestep, encoder_hidden_states=w, return_dict=False)[0] for x, w in rows])

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor, batch: int = 32) -> NDArray[np.uint8]:
        """Pictures uint8 (n, height, width, 3) of clean latents."""
        vae = self.pipe.vae
        blocks = [vae.decode(part / vae.config.scaling_factor, return_dict=False)[0] for part in torch.split(latents, batch)]
        pixels = torch.cat(blocks).float().div(2).add(0.5).clamp(0, 1).mul(255).round()
        return pixels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def check_latent_space(original: Model, unlearned: Model, latents: torch.Tensor) -> None:
    """Refuse a θ* whose VAE decoder does not draw θ's latents as θ's own decoder does."""
    if original.pipe.unet.config.in_channels != unlearned.pipe.unet.config.in_channels:
        apart = 1.0
    else:
        pair = [model.decode(latents).astype(np.float32) / 255 for model in (original, unlearned)]
        apart = float(np.abs(pair[0] - pair[1]).mean()) if pair[0].shape == pair[1].shape else 1.0
    if apart > LATENT_TOLERANCE:
        raise CheckFailed(
            f"the checkpoint's VAE decodes the original model's latents {apart:.3f} per pixel apart",
            "half-denoised pictures of the original mean nothing in another latent space",
            "evaluate it against the base model that it was made from",
        )
