"""Stable Diffusion 1.x and 2.x: a UNet with one text encoder that predicts ε or v, over DDIM unless a sweep sets another sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from diffusers.training_utils import compute_snr

from unconceal.diffusion.model import Model, SolverStep
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.diffusion.spm_strength import spm_hooks, spm_strengths
from unconceal.errors import CheckFailed
from unconceal.specs.inference_rule import RULE_NAMES, RuleName

SPACING = {"timestep_spacing": "leading"}
SCHEDULERS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "": (DDIMScheduler, {}),
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, SPACING),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {**SPACING, "algorithm_type": "dpmsolver++", "solver_order": 2}),
}
"""By a sampler's name: diffusers' class and its arguments beside the model's own schedule."""
SAFETY: RuleName = "safe-latent-diffusion"
MIN_SNR_GAMMA = 5.0
"""γ of min-SNR loss weighting (arXiv 2303.09556)."""


@dataclass(frozen=True)
class StableDiffusion(Model):
    """diffusers' ``StableDiffusionPipeline``. The scheduler's ``prediction_type`` says whether the UNet predicts ε or v.

    Attributes:
        base_scheduler_config: of the base model, if that has another noise schedule (:mod:`unconceal.diffusion.noise_levels`).
        timestep_map: for each timestep of the base, this model's timestep of the same noise level.
    """

    supports_spm: ClassVar[bool] = True
    supported_rules: ClassVar[frozenset[RuleName]] = frozenset(RULE_NAMES)
    base_scheduler_config: Any = None
    timestep_map: Mapping[float, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        predicts = self.pipeline.scheduler.config.prediction_type
        if self.rule is not None and self.rule.rule == SAFETY and predicts != "epsilon":
            value, consequence = f"rule {SAFETY!r} on a model that predicts {predicts}", "cannot act: its threshold is one of ε"
            raise CheckFailed("inference.wrong-family", value, consequence, "choose another rule")

    @property
    def channels(self) -> int:
        return int(self.pipeline.unet.config.in_channels)

    def scheduler(self) -> Any:
        config, (scheduler_class, arguments) = self.pipeline.scheduler.config, SCHEDULERS[self.solver]
        noise_schedule = config if self.base_scheduler_config is None else self.base_scheduler_config
        scheduler = scheduler_class.from_config(noise_schedule, prediction_type=config.prediction_type, **arguments)
        # On the processor: a step reads the schedule at its timestep, for which an accelerator would have to be waited for.
        scheduler.set_timesteps(self.steps)
        return scheduler

    @property
    def is_multistep(self) -> bool:
        return self.solver == "dpmpp-2m"

    def scale_model_input(self, solver: Any, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = solver.scale_model_input(latents, timestep)
        return scaled

    def embed_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        self.to_device("text_encoder")
        prompt_embeds, empty = self.pipeline.encode_prompt(list(prompts), self.device, 1, True, negative_prompt=[""] * len(prompts))
        if self.spm is None:
            return PromptEmbeddings(Conditioning(prompt_embeds), Conditioning(empty), Conditioning(empty))
        strength, empty_strength = (
            spm_strengths(self.spm, self.pipeline, texts, self.text_embeddings) for texts in (prompts, [""] * len(prompts))
        )
        return PromptEmbeddings(Conditioning(prompt_embeds, strength), Conditioning(empty, strength), Conditioning(empty, empty_strength))

    def text_embeddings(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embeddings of n prompts, (n, tokens, width)."""
        prompt_embeds: torch.Tensor = self.pipeline.encode_prompt(list(prompts), self.device, 1, False)[0]
        return prompt_embeds

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        side = self.size // self.pipeline.vae_scale_factor if self.size else self.pipeline.unet.config.sample_size
        scaled: torch.Tensor = self.seeded_noise((self.channels, side, side), seeds) * self.scheduler().init_noise_sigma
        return scaled.to(self.device, self.dtype)

    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        timestep = self.mapped_timestep(timestep)
        with spm_hooks(self.spm, self.pipeline.unet, condition.spm_strength):
            predicted: torch.Tensor = self.pipeline.unet(
                latents, timestep, encoder_hidden_states=condition.prompt_embeds, return_dict=False
            )[0]
        return predicted

    def mapped_timestep(self, timestep: torch.Tensor) -> torch.Tensor:
        """This model's timesteps of the same noise levels."""
        if self.timestep_map is None:
            return timestep
        mapped = [self.timestep_map[float(t)] for t in timestep.flatten()]
        return torch.tensor(mapped, device=timestep.device).reshape(timestep.shape)

    def random_timesteps(self, n: int, generator: torch.Generator) -> torch.Tensor:
        n_train_timesteps = self._training_schedule.config.num_train_timesteps
        return torch.randint(n_train_timesteps, (n,), generator=generator).to(self.device)

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        noised: torch.Tensor = self._training_schedule.add_noise(latents, noise, timesteps)
        return noised

    def training_target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.pipeline.scheduler.config.prediction_type == "epsilon":
            return noise
        velocity: torch.Tensor = self._training_schedule.get_velocity(latents, noise, timesteps)
        return velocity

    def loss_weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        snr = compute_snr(self._training_schedule, timesteps)
        offset = 0 if self.pipeline.scheduler.config.prediction_type == "epsilon" else 1
        weights: torch.Tensor = snr.clamp(max=MIN_SNR_GAMMA) / (snr + offset)
        return weights

    @property
    def _training_schedule(self) -> DDIMScheduler:
        scheduler: DDIMScheduler = DDIMScheduler.from_config(self.base_scheduler_config or self.pipeline.scheduler.config)
        return scheduler

    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> SolverStep:
        output = solver.step(predicted, timestep, latents)
        # DPM-Solver++ converts the prediction to x̂0 and keeps it for its next step.
        return SolverStep(output.prev_sample, solver.model_outputs[-1] if self.is_multistep else output.pred_original_sample)
