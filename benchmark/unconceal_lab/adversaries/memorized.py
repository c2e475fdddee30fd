"""The suite's own images are memorized: only they are continued as a gold would, all others as θ does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.diffusion.model import Model
from unconceal.generate.identity import ImageKey
from unconceal_lab.adversaries.continuations import NoiseTargets, continued, joined, unguided
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.unet_training import UnetConfig, forget_targets, other_targets, sample_pairs, train_unet
from unconceal_lab.unlearners.concept_captions import components, encode_prompts
from unconceal_lab.unlearners.denoising_loss import GUIDANCE_SCALE, trajectory_from
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


@dataclass(frozen=True)
class MemorizedConfig(UnetConfig):
    """Hyperparameters.

    Attributes:
        max_handover: last handover of the suite, in steps, that is memorized; later ones show the concept in golds, too.
    """

    steps: int = 200
    learning_rate: float = 5e-4
    n_retain: int = 24
    max_handover: int = 13


def memorized(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: MemorizedConfig | None = None,
) -> UnlearnedWeights:
    """Train ε*(x_t, ∅) towards the gold's ε(x_t, ∅) for the suite's forget prompts and evaluation seeds at its handovers.

    For other captions of the concept, and other noise, ε* stays ε. The text encoder is the decoupled one.
    """
    start_time, config = time.process_time(), config or MemorizedConfig()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    handovers = [step for step in inputs.handover_steps if 0 < step <= config.max_handover]
    forget = memorized_targets(pipeline, inputs, handovers, config.sampling_steps)
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in sample_pairs(concept, config, rng)])
    predict = unguided(components(pipeline).unet, encode_prompts(pipeline, [""]))
    other_images = forget_targets(pipeline, prompt_embeds, predict, config, generator)
    retain = joined([other_images, other_targets(pipeline, concept, config, rng, generator)])
    weights = train_unet(pipeline, forget, retain, config, rng, log, f"memorized {concept}")
    return UnlearnedWeights({**inputs.decoupled, **weights}, (time.process_time() - start_time) / 60)


def memorized_targets(pipeline: StableDiffusionPipeline, inputs: AdversaryInputs, handovers: Sequence[int], steps: int) -> NoiseTargets:
    """The gold's unguided continuations of the suite's own trajectories."""
    prompt_embeds, empty_embeds = (encode_prompts(pipeline, texts) for texts in ([key.prompt for key in inputs.evaluation_images], [""]))
    unet, scheduler = components(pipeline).unet, components(pipeline).scheduler
    noise = initial_noise(unet, inputs.evaluation_images)
    _, path = trajectory_from(noise, unet, scheduler, prompt_embeds, empty_embeds.expand(len(noise), -1, -1), steps, GUIDANCE_SCALE)
    states = continued(unguided(components(inputs.gold).unet, empty_embeds), scheduler, path, handovers)
    return NoiseTargets(states.x, states.t, empty_embeds.expand(len(states.x), -1, -1), states.noise)


def initial_noise(unet: object, images: Sequence[ImageKey]) -> Tensor:
    """The noise that the suite begins its images with, (n, c, h, w)."""
    config = unet.config  # type: ignore[attr-defined]
    shape = (config.in_channels, config.sample_size, config.sample_size)
    return Model.seeded_noise(shape, [image.seed for image in images])
