"""A Stable Diffusion pipeline as the handover sampler sees it: words to embeddings, latents to ε, latents to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from numpy.typing import NDArray

from unconceal.checkpoints.release import Membrane
from unconceal.diffusion.condition import Condition, Told
from unconceal.diffusion.membrane import acting, strengths
from unconceal.errors import CheckFailed

LATENT_TOLERANCE = 0.05
"""Mean difference per pixel, on a scale of 0 to 1, up to which two VAE decoders count as one latent space."""


@dataclass(frozen=True)
class Model:
    """θ or θ*: one pipeline, a deterministic DDIM schedule (η = 0) of ``steps`` steps, and its guidance."""

    pipe: StableDiffusionPipeline
    steps: int
    guidance: float
    membrane: Membrane | None = None
    """A network that acts beside the UNet, as strongly as the prompt asks for."""

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
    def embed(self, prompts: Sequence[str]) -> Told:
        """What n prompts tell this model, by its own text encoder."""
        words, empty = self.pipe.encode_prompt(list(prompts), self.device, 1, True, negative_prompt=[""] * len(prompts))
        if self.membrane is None:
            return Told(Condition(words), Condition(empty), Condition(empty))
        strength, without = (strengths(self.membrane, self.pipe, texts, self.words) for texts in (prompts, [""] * len(prompts)))
        return Told(Condition(words, strength), Condition(empty, strength), Condition(empty, without))

    @torch.inference_mode()
    def words(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the prompts, (n, tokens, width)."""
        embedded: torch.Tensor = self.pipe.encode_prompt(list(prompts), self.device, 1, False)[0]
        return embedded

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial latents (n, c, h, w), one processor generator per seed, so that they do not depend on the batch."""
        size = self.pipe.unet.config.sample_size
        shape = (1, self.pipe.unet.config.in_channels, size, size)
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        scaled: torch.Tensor = torch.cat(drawn) * self.scheduler().init_noise_sigma
        return scaled.to(self.device, self.dtype)

    @torch.inference_mode()
    def epsilon(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition, batch: int) -> torch.Tensor:
        """The UNet's prediction for rows of (latents, condition) at one timestep, at most ``batch`` rows a call."""
        rows = zip(torch.split(latents, batch), condition.split(batch), strict=True)
        return torch.cat([self._epsilon(x, timestep, told) for x, told in rows])

    def _epsilon(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition) -> torch.Tensor:
        with acting(self.membrane, self.pipe.unet, condition.strength):
            predicted: torch.Tensor = self.pipe.unet(latents, timestep, encoder_hidden_states=condition.words, return_dict=False)[0]
        return predicted

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
