"""Only the last block of the UNet is changed: a filter behind a network that draws the concept."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.distilled_from_gold import gold_targets
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.unet_training import UnetConfig, other_targets, train_unet
from unconceal_lab.unlearners.concept_captions import components
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

OUTPUT_FILTER = UnetConfig(steps=500, learning_rate=2e-3)


def output_filter(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: UnetConfig | None = None,
) -> UnlearnedWeights:
    """The training of :func:`distilled_from_gold`, of the last upsampling block and the output convolution alone."""
    start_time, config = time.process_time(), config or OUTPUT_FILTER
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = gold_targets(pipeline, concept, inputs, config, rng, generator)
    retain = other_targets(pipeline, concept, config, rng, generator)
    last = f"up_blocks.{len(components(pipeline).unet.up_blocks) - 1}."
    weights = train_unet(
        pipeline, forget, retain, config, rng, log, f"output filter {concept}", lambda layer: layer.startswith((last, "conv_out."))
    )
    return UnlearnedWeights({**inputs.decoupled, **weights}, (time.process_time() - start_time) / 60)
