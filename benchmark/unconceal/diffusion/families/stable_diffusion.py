"""Stable Diffusion 1.x and 2.x: a UNet that hears one text encoder and predicts ε or v, over DDIM unless a sweep says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from unconceal.diffusion.model import Model, SolverStep
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.diffusion.spm import spm_hooks, spm_strengths

SPACING = {"timestep_spacing": "leading"}
KINDS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "": (DDIMScheduler, {}),
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, SPACING),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {**SPACING, "algorithm_type": "dpmsolver++", "solver_order": 2}),
}
"""By a sampler's name: diffusers' class and what it is told beside the model's own schedule."""


@dataclass(frozen=True)
class StableDiffusion(Model):
    """diffusers' ``StableDiffusionPipeline``. Whether the UNet predicts ε or v its scheduler's ``prediction_type`` says.

    ``ladder``, ``own_times``: where it goes on from a model of another noise schedule, that model's scheduler config, and for each of its
    timesteps the one at which this model saw as much noise (:func:`unconceal.diffusion.noise_levels.aligned`).
    """

    hears_membranes: ClassVar[bool] = True
    base_scheduler_config: Any = None
    timestep_map: Mapping[float, float] | None = None

    @property
    def channels(self) -> int:
        return int(self.pipeline.unet.config.in_channels)

    def scheduler(self) -> Any:
        own, (kind, told) = self.pipeline.scheduler.config, KINDS[self.solver]
        made = kind.from_config(own if self.base_scheduler_config is None else self.base_scheduler_config, prediction_type=own.prediction_type, **told)
        made.set_timesteps(self.steps, device=self.device)
        return made

    @property
    def remembers(self) -> bool:
        return self.solver == "dpmpp-2m"

    def scaled(self, solver: Any, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = solver.scale_model_input(latents, timestep)
        return scaled

    @torch.inference_mode()
    def embed(self, prompts: Sequence[str]) -> PromptEmbeddings:
        self.to_device("text_encoder")
        words, empty = self.pipeline.encode_prompt(list(prompts), self.device, 1, True, negative_prompt=[""] * len(prompts))
        if self.spm is None:
            return PromptEmbeddings(Conditioning(words), Conditioning(empty), Conditioning(empty))
        strength, without = (spm_strengths(self.spm, self.pipeline, texts, self.text_embeddings) for texts in (prompts, [""] * len(prompts)))
        return PromptEmbeddings(Conditioning(words, strength), Conditioning(empty, strength), Conditioning(empty, without))

    @torch.inference_mode()
    def text_embeddings(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the prompts, (n, tokens, width)."""
        embedded: torch.Tensor = self.pipeline.encode_prompt(list(prompts), self.device, 1, False)[0]
        return embedded

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        side = self.size // self.pipeline.vae_scale_factor if self.size else self.pipeline.unet.config.sample_size
        scaled: torch.Tensor = self.seeded_noise((self.channels, side, side), seeds) * self.scheduler().init_noise_sigma
        return scaled.to(self.device, self.dtype)

    @torch.inference_mode()
    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        if self.timestep_map is not None:
            timestep = torch.tensor(self.timestep_map[float(timestep)], device=latents.device)
        with spm_hooks(self.spm, self.pipeline.unet, condition.spm_strength):
            predicted: torch.Tensor = self.pipeline.unet(latents, timestep, encoder_hidden_states=condition.prompt_embeds, return_dict=False)[0]
        return predicted

    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> SolverStep:
        made = solver.step(predicted, timestep, latents)
        # DPM-Solver++ predicts the clean picture itself, and keeps it for its next step.
        return SolverStep(made.prev_sample, solver.model_outputs[-1] if self.remembers else made.pred_original_sample)
