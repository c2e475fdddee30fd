"""θ's half-denoised concept is continued as a gold continues it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.continuations import NoiseTargets, unguided
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.unet_training import UnetConfig, forget_targets, other_targets, sample_pairs, train_unet
from unconceal_lab.unlearners.concept_captions import components, encode_prompts
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

DISTILLED = UnetConfig(steps=130)


def distilled_from_gold(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: UnetConfig | None = None,
) -> UnlearnedWeights:
    """Train ε*(x_t, ∅) towards the gold's ε(x_t, ∅), with x_t begun by θ for the concept's caption and continued by the gold.

    ∅ is θ's embedding of the empty string. The text encoder is the decoupled one.
    """
    start_time, config = time.process_time(), config or DISTILLED
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = gold_targets(pipeline, concept, inputs, config, rng, generator)
    retain = other_targets(pipeline, concept, config, rng, generator)
    weights = train_unet(pipeline, forget, retain, config, rng, log, f"distilled {concept}")
    return UnlearnedWeights({**inputs.decoupled, **weights}, (time.process_time() - start_time) / 60)


def gold_targets(
    pipeline: StableDiffusionPipeline,
    concept: str,
    inputs: AdversaryInputs,
    config: UnetConfig,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> NoiseTargets:
    """θ's trajectories of the concept, finished by the gold."""
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in sample_pairs(concept, config, rng)])
    predict = unguided(components(inputs.gold).unet, encode_prompts(pipeline, [""]))
    return forget_targets(pipeline, prompt_embeds, predict, config, generator)
