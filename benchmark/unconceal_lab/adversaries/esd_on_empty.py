"""ESD's negative guidance, applied to what the model does without a prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.continuations import guided_by
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.unet_training import UnetConfig, forget_targets, other_targets, sample_pairs, train_unet
from unconceal_lab.unlearners.concept_captions import components, encode_prompts
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


@dataclass(frozen=True)
class EsdOnEmptyConfig(UnetConfig):
    """Hyperparameters.

    Attributes:
        strength: η of the negative guidance.
    """

    learning_rate: float = 8e-4
    retain_weight: float = 0.5
    n_forget: int = 20
    n_retain: int = 20
    strength: float = 3.0


def esd_on_empty(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: EsdOnEmptyConfig | None = None,
) -> UnlearnedWeights:
    """Train ε*(x_t, ∅) towards ε(x_t, ∅) − η (ε(x_t, c) − ε(x_t, ∅)), with x_t begun by θ for caption c and continued by that target.

    ESD trains ε*(x_t, c). The text encoder is the decoupled one.
    """
    start_time, config = time.process_time(), config or EsdOnEmptyConfig()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in sample_pairs(concept, config, rng)])
    predict = guided_by(components(pipeline).unet, prompt_embeds, encode_prompts(pipeline, [""]), -config.strength)
    forget = forget_targets(pipeline, prompt_embeds, predict, config, generator)
    retain = other_targets(pipeline, concept, config, rng, generator)
    weights = train_unet(pipeline, forget, retain, config, rng, log, f"esd-on-empty {concept}")
    return UnlearnedWeights({**inputs.decoupled, **weights}, (time.process_time() - start_time) / 60)
