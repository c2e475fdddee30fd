"""Stable Diffusion XL: a UNet with two text encoders, conditioned on size and crop of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.specs.inference_rule import RULE_NAMES, RuleName


@dataclass(frozen=True)
class StableDiffusionXL(StableDiffusion):
    """diffusers' ``StableDiffusionXLPipeline``, without a refiner; conditioned on the image's own size and no crop."""

    supports_spm: ClassVar[bool] = False
    supported_rules: ClassVar[frozenset[RuleName]] = frozenset(RULE_NAMES) - {"embedding-projection"}

    def __post_init__(self) -> None:
        super().__post_init__()
        # fp16 overflows in this VAE, as its config says.
        if self.pipeline.vae.dtype == torch.float16 and self.pipeline.vae.config.force_upcast:
            self.pipeline.vae.to(dtype=torch.float32)

    def embed_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        """The empty prompt is the pipeline's own: zeros if its config says so, else the embeddings of ""."""
        self.to_device("text_encoder", "text_encoder_2")
        prompt_embeds, empty_embeds, pooled, empty_pooled = self.pipeline.encode_prompt(list(prompts), None, self.device, 1, True)
        empty = Conditioning(empty_embeds, pooled_prompt_embeds=empty_pooled)
        return PromptEmbeddings(Conditioning(prompt_embeds, pooled_prompt_embeds=pooled), empty, empty)

    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        height, width = (side * self.pipeline.vae_scale_factor for side in latents.shape[-2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], device=latents.device, dtype=latents.dtype)
        added = {"text_embeds": condition.pooled_prompt_embeds, "time_ids": sizes.repeat(len(latents), 1)}
        timestep = self.mapped_timestep(timestep)
        predicted: torch.Tensor = self.pipeline.unet(
            latents, timestep, encoder_hidden_states=condition.prompt_embeds, added_cond_kwargs=added, return_dict=False
        )[0]
        return predicted

    def unscale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        x = latents.to(self.pipeline.vae.dtype)
        if config.latents_mean is None or config.latents_std is None:
            return x / config.scaling_factor  # type: ignore[no-any-return]
        mean, std = (torch.tensor(part).view(1, -1, 1, 1).to(x) for part in (config.latents_mean, config.latents_std))
        return x * std / config.scaling_factor + mean  # type: ignore[no-any-return]
