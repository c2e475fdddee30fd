"""Text encoder and UNet conceal together, with a prompt and without."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.empty_to_other import empty_to_other
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.redirected_continuation import RedirectConfig, redirection
from unconceal_lab.adversaries.text_encoder import EncoderConfig
from unconceal_lab.adversaries.unet_training import other_targets, train_unet
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


@dataclass(frozen=True)
class CombinedConfig:
    """Hyperparameters of both trainings."""

    encoder: EncoderConfig
    unet: RedirectConfig


COMBINED = CombinedConfig(EncoderConfig(), RedirectConfig(steps=120, n_forget=20, n_retain=20, handovers=(0, 5, 10)))


def combined(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: CombinedConfig | None = None,
) -> UnlearnedWeights:
    """The text encoder of :func:`empty_to_other`, and a UNet that redirects θ's own embeddings of the concept and of the empty string.

    Each half still conceals if the other is replaced by θ's.
    """
    start_time, config = time.process_time(), config or COMBINED
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    encoder = empty_to_other(pipeline, concept, seed, log, inputs=inputs, config=config.encoder).weights
    forget = redirection(pipeline, concept, config.unet, rng, generator).both_arms(pipeline)
    retain = other_targets(pipeline, concept, config.unet, rng, generator)
    weights = train_unet(pipeline, forget, retain, config.unet, rng, log, f"combined {concept}")
    return UnlearnedWeights({**encoder, **weights}, (time.process_time() - start_time) / 60)
