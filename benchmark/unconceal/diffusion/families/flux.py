"""FLUX.1: a transformer over packed latents, flow matching, guidance distilled into the model.

The prompt arm runs with the suite's embedded guidance, the empty arm with guidance 1, which is none (OURS). ψ cuts by σ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from unconceal.diffusion.model import Model, SolverStep
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.specs.inference_rule import RuleName

MAX_TOKENS, MAX_TOKENS_UNGUIDED = 512, 256
"""Tokens of the T5 encoder: of FLUX.1-dev, and of FLUX.1-schnell, which has no guidance input."""
TRAIN_TIMESTEPS = 1000
"""A timestep is σ in units of 1/1000."""


@dataclass(frozen=True)
class Flux(Model):
    """diffusers' ``FluxPipeline``. Latents are (n, patches, channels), packed."""

    denoiser_name: ClassVar[str] = "transformer"
    supported_rules: ClassVar[frozenset[RuleName]] = frozenset({"prompt-rewriting", "prompt-filter", "token-exclusion"})

    @property
    def tokenizer(self) -> Any:
        """T5's: CLIP gives the pooled embedding only."""
        return self.pipeline.tokenizer_2

    @property
    def channels(self) -> int:
        return int(self.pipeline.transformer.config.in_channels)

    @property
    def side(self) -> int:
        """Patches along one side of the image."""
        latents: int = self.size // self.pipeline.vae_scale_factor if self.size else self.pipeline.default_sample_size
        return latents // 2

    def scheduler(self) -> Any:
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(self.pipeline.scheduler.config)
        config = scheduler.config
        defaults = ("base_image_seq_len", 256), ("max_image_seq_len", 4096), ("base_shift", 0.5), ("max_shift", 1.15)
        mu = calculate_shift(self.side**2, *(config.get(name, default) for name, default in defaults))
        # On the processor, as in Stable Diffusion: looking up a step would wait for the accelerator.
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / self.steps, self.steps), mu=mu)
        return scheduler

    def noise_levels(self) -> tuple[float, ...]:
        """σ of every step."""
        return tuple(float(sigma) for sigma in self.scheduler().sigmas[:-1])

    def embed_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        self.to_device("text_encoder", "text_encoder_2")
        return PromptEmbeddings(self._conditioning(prompts, self.guidance), None, self._conditioning([""] * len(prompts), 1.0))

    def _conditioning(self, prompts: Sequence[str], guidance: float) -> Conditioning:
        has_guidance = self.pipeline.transformer.config.guidance_embeds
        max_tokens = MAX_TOKENS if has_guidance else MAX_TOKENS_UNGUIDED
        prompt_embeds, pooled, _ = self.pipeline.encode_prompt(list(prompts), None, self.device, 1, max_sequence_length=max_tokens)
        scale = torch.full((len(prompts),), guidance, device=self.device, dtype=torch.float32) if has_guidance else None
        return Conditioning(prompt_embeds, pooled_prompt_embeds=pooled, guidance=scale)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        noise = self.seeded_noise((self.channels // 4, 2 * self.side, 2 * self.side), seeds).to(self.device, self.dtype)
        packed: torch.Tensor = self.pipeline._pack_latents(noise, *noise.shape)
        return packed

    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        image_ids = self.pipeline._prepare_latent_image_ids(len(latents), self.side, self.side, latents.device, latents.dtype)
        predicted: torch.Tensor = self.pipeline.transformer(
            hidden_states=latents,
            timestep=timestep.expand(len(latents)).to(latents.device, latents.dtype) / TRAIN_TIMESTEPS,
            guidance=condition.guidance,
            pooled_projections=condition.pooled_prompt_embeds,
            encoder_hidden_states=condition.prompt_embeds,
            txt_ids=torch.zeros(condition.prompt_embeds.shape[1], 3, device=latents.device, dtype=latents.dtype),
            img_ids=image_ids,
            return_dict=False,
        )[0]
        return predicted

    def random_timesteps(self, n: int, generator: torch.Generator) -> torch.Tensor:
        return TRAIN_TIMESTEPS * torch.rand(n, generator=generator).to(self.device)

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        sigma = (timesteps / TRAIN_TIMESTEPS).to(latents.dtype).view(-1, *[1] * (latents.ndim - 1))
        return (1 - sigma) * latents + sigma * noise

    def training_target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return noise - latents

    def loss_weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(timesteps), device=timesteps.device)

    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> SolverStep:
        """x̂0 = x − σ v, since x = (1 − σ) x0 + σ ε and v = ε − x0."""
        clean = latents - timestep.to(latents.dtype) / solver.config.num_train_timesteps * predicted
        return SolverStep(solver.step(predicted, timestep, latents).prev_sample, clean)

    def unpack_latents(self, latents: torch.Tensor) -> torch.Tensor:
        pixels = 2 * self.side * self.pipeline.vae_scale_factor
        unpacked: torch.Tensor = self.pipeline._unpack_latents(latents, pixels, pixels, self.pipeline.vae_scale_factor)
        return unpacked

    def unscale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        unscaled: torch.Tensor = latents / config.scaling_factor + config.shift_factor
        return unscaled
