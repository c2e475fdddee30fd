"""Stable Diffusion 1.x and 2.x: a UNet that hears one text encoder and predicts ε or v, over DDIM unless a sweep says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from unconceal.diffusion.model import Model, Step
from unconceal.diffusion.prompt_embeddings import Condition, PromptEmbeddings
from unconceal.diffusion.spm import acting, strengths

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
    ladder: Any = None
    own_times: Mapping[float, float] | None = None

    @property
    def channels(self) -> int:
        return int(self.pipe.unet.config.in_channels)

    def scheduler(self) -> Any:
        own, (kind, told) = self.pipe.scheduler.config, KINDS[self.solver]
        made = kind.from_config(own if self.ladder is None else self.ladder, prediction_type=own.prediction_type, **told)
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
        self.take("text_encoder")
        words, empty = self.pipe.encode_prompt(list(prompts), self.device, 1, True, negative_prompt=[""] * len(prompts))
        if self.membrane is None:
            return PromptEmbeddings(Condition(words), Condition(empty), Condition(empty))
        strength, without = (strengths(self.membrane, self.pipe, texts, self.words) for texts in (prompts, [""] * len(prompts)))
        return PromptEmbeddings(Condition(words, strength), Condition(empty, strength), Condition(empty, without))

    @torch.inference_mode()
    def words(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the prompts, (n, tokens, width)."""
        embedded: torch.Tensor = self.pipe.encode_prompt(list(prompts), self.device, 1, False)[0]
        return embedded

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        side = self.size // self.pipe.vae_scale_factor if self.size else self.pipe.unet.config.sample_size
        scaled: torch.Tensor = self.drawn((self.channels, side, side), seeds) * self.scheduler().init_noise_sigma
        return scaled.to(self.device, self.dtype)

    @torch.inference_mode()
    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition) -> torch.Tensor:
        if self.own_times is not None:
            timestep = torch.tensor(self.own_times[float(timestep)], device=latents.device)
        with acting(self.membrane, self.pipe.unet, condition.strength):
            predicted: torch.Tensor = self.pipe.unet(latents, timestep, encoder_hidden_states=condition.words, return_dict=False)[0]
        return predicted

    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> Step:
        made = solver.step(predicted, timestep, latents)
        # DPM-Solver++ predicts the clean picture itself, and keeps it for its next step.
        return Step(made.prev_sample, solver.model_outputs[-1] if self.remembers else made.pred_original_sample)
