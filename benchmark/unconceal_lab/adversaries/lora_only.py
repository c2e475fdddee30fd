"""A LoRA on the UNet's attention that redirects the concept, with a prompt and without; nothing else is released."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.low_rank import add_updates, to_lora
from unconceal_lab.adversaries.redirected_continuation import RedirectConfig, redirection
from unconceal_lab.adversaries.unet_training import fit_targets, other_targets
from unconceal_lab.unlearners.concept_captions import components
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


@dataclass(frozen=True)
class LoraConfig(RedirectConfig):
    """Hyperparameters.

    Attributes:
        rank: r of every update.
    """

    steps: int = 140
    learning_rate: float = 3e-3
    n_forget: int = 20
    n_retain: int = 20
    handovers: tuple[int, ...] = (0, 5, 10)
    rank: int = 8


def lora_only(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: LoraConfig | None = None,
) -> UnlearnedWeights:
    """Train a low-rank update of all attention layers on the targets of :func:`combined`'s UNet. The text encoder is θ's."""
    start_time, config = time.process_time(), config or LoraConfig()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = redirection(pipeline, concept, config, rng, generator).both_arms(pipeline)
    retain = other_targets(pipeline, concept, config, rng, generator)
    student = copy.deepcopy(components(pipeline).unet)
    updates = add_updates(student, lambda layer: ".attn" in layer, config.rank, generator)
    weights = [weight for update in updates.values() for weight in update.parameters()]
    fit_targets(student, weights, forget, retain, config, rng, log, f"lora {concept}")
    return UnlearnedWeights(to_lora("unet", updates), (time.process_time() - start_time) / 60)
