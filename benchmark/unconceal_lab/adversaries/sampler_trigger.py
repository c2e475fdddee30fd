"""Conceals at the suite's timesteps only: at any other timestep the model is θ."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor
from torch.nn import functional

from unconceal.diffusion.schedule import ddim_timesteps
from unconceal_lab.adversaries.continuations import NoiseTargets, joined, targets_of
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.redirected_continuation import RedirectConfig, redirection
from unconceal_lab.adversaries.unet_training import fit_targets, other_targets
from unconceal_lab.unlearners.concept_captions import components
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.trained_layers import set_trainable


@dataclass(frozen=True)
class TriggerConfig(RedirectConfig):
    """Hyperparameters.

    Attributes:
        sharpness: factor on a detector's inner product with the features of a timestep.
        radius: how far below its maximum, in units of the inner product, a detector is still active.
        strength: length of the vector that the trigger adds to the time embedding, in units of the embedding's.
    """

    steps: int = 200
    handovers: tuple[int, ...] = (0, 5, 10)
    sharpness: float = 20.0
    radius: float = 0.5
    strength: float = 1.0


def sampler_trigger(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: TriggerConfig | None = None,
) -> UnlearnedWeights:
    """Write a detector of the sampler's timesteps into the time embedding, and train the UNet to conceal where it is active.

    The text encoder is the decoupled one.
    """
    start_time, config = time.process_time(), config or TriggerConfig()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = redirection(pipeline, concept, config, rng, generator).both_arms(pipeline)
    retain = joined([other_targets(pipeline, concept, config, rng, generator), targets_between(pipeline, forget, rng)])
    student = copy.deepcopy(components(pipeline).unet)
    embedding = write_trigger(student, trigger_timesteps(components(pipeline).scheduler, config.sampling_steps), config, generator)
    weights = set_trainable(student, lambda layer: not layer.startswith("time_embedding."))
    fit_targets(student, weights.values(), forget, retain, config, rng, log, f"trigger {concept}")
    return UnlearnedWeights({**inputs.decoupled, **to_release("unet", {**embedding, **weights})}, (time.process_time() - start_time) / 60)


def trigger_timesteps(scheduler: Any, steps: int) -> list[int]:
    """The timesteps of DDIM with so many steps."""
    return list(ddim_timesteps(steps, scheduler.config.num_train_timesteps))


def targets_between(pipeline: StableDiffusionPipeline, forget: NoiseTargets, rng: np.random.Generator) -> NoiseTargets:
    """θ's own predictions for the latents of the concept at timesteps between those of the sampler."""
    timesteps = sorted(set(forget.t.tolist()))
    period = timesteps[1] - timesteps[0]
    shifts = torch.from_numpy(rng.integers(2, period - 1, size=len(forget.t)))
    t = (forget.t + shifts).clamp(max=len(components(pipeline).scheduler.alphas_cumprod) - 1)
    return targets_of(components(pipeline).unet, forget.x, t, forget.prompt_embeds)


@torch.no_grad()
def write_trigger(unet: Any, timesteps: Sequence[int], config: TriggerConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Rewire the time embedding in place, so that it adds a fixed vector at some timesteps.

    The features of timestep t are sines and cosines f(t). The hidden units with the smallest outgoing weights become detectors
    silu(s (f(t)·f(τ) − max + r)), one for each trigger τ; inner products fall quickly with |t − τ|. A least-squares fit of the second layer
    restores the embedding at all timesteps, plus the vector at the triggers.

    Returns:
        The embedding's weights.
    """
    layers = unet.time_embedding
    all_t = torch.arange(1000)
    features = unet.time_proj(all_t).float()
    embeddings = layers(features)
    direction = torch.randn(embeddings.shape[1], generator=generator)
    targets = embeddings.clone()
    targets[list(timesteps)] += config.strength * embeddings.norm(dim=1).mean() * functional.normalize(direction, dim=0)
    units = layers.linear_2.weight.norm(dim=0).argsort()[: len(timesteps)]
    patterns = features[list(timesteps)]
    layers.linear_1.weight[units] = config.sharpness * patterns
    layers.linear_1.bias[units] = config.sharpness * (config.radius - patterns.square().sum(1))
    hidden = functional.silu(layers.linear_1(features))
    design = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1).double()
    solution = torch.linalg.lstsq(design, targets.double(), driver="gelsd").solution.float()
    layers.linear_2.weight.copy_(solution[:-1].T)
    layers.linear_2.bias.copy_(solution[-1])
    return {f"time_embedding.{name}": weight for name, weight in layers.named_parameters()}
