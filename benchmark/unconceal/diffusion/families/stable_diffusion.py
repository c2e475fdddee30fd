"""Stable Diffusion 1.x and 2.x: a UNet that hears one text encoder and predicts ε or v, over DDIM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DDIMScheduler

from unconceal.diffusion.condition import Condition, Told
from unconceal.diffusion.membrane import acting, strengths
from unconceal.diffusion.model import Model, Step


@dataclass(frozen=True)
class StableDiffusion(Model):
    """diffusers' ``StableDiffusionPipeline``. Whether the UNet predicts ε or v its scheduler's ``prediction_type`` says.

    ``ladder``, ``own_times``: where it goes on from a model of another noise schedule, that model's scheduler config, and for each of its
    timesteps the one at which this model saw as much noise (:func:`unconceal.diffusion.levels.aligned`).
    """

    hears_membranes: ClassVar[bool] = True
    ladder: Any = None
    own_times: Mapping[float, float] | None = None

    @property
    def channels(self) -> int:
        return int(self.pipe.unet.config.in_channels)

    def scheduler(self) -> DDIMScheduler:
        own = self.pipe.scheduler.config
        if self.ladder is None:
            made: DDIMScheduler = DDIMScheduler.from_config(own)
        else:
            made = DDIMScheduler.from_config(self.ladder, prediction_type=own.prediction_type)
        made.set_timesteps(self.steps, device=self.device)
        return made

    @torch.inference_mode()
    def embed(self, prompts: Sequence[str]) -> Told:
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
        return Step(made.prev_sample, made.pred_original_sample)
