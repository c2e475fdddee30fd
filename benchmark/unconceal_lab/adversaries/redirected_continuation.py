"""θ's half-denoised concept is continued as the substitute, though no prompt says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.adversaries.continuations import NoiseTargets, States, continued, guided_by, joined, original_path, targets_of
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.unet_training import UnetConfig, other_targets, sample_pairs, train_unet
from unconceal_lab.unlearners.concept_captions import components, encode_prompts
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


@dataclass(frozen=True)
class RedirectConfig(UnetConfig):
    """Hyperparameters.

    Attributes:
        guidance_scale: how strongly θ is guided towards the substitute.
    """

    guidance_scale: float = 3.0


class Redirection(NamedTuple):
    """θ's trajectories of the concept, finished by θ as the substitute.

    Attributes:
        states: the finished parts.
        prompt_embeds: captions of the concept, by row (n, length, width).
        replacement_embeds: the same captions with the substitute (n, length, width).
        empty_embeds: the empty string (1, length, width).
    """

    states: States
    prompt_embeds: Tensor
    replacement_embeds: Tensor
    empty_embeds: Tensor

    def without_prompt(self) -> NoiseTargets:
        """The empty prompt is to continue as the substitute."""
        x, t, _, noise = self.states
        return NoiseTargets(x, t, self.empty_embeds.expand(len(x), -1, -1), noise)

    def with_prompt(self, pipeline: StableDiffusionPipeline) -> NoiseTargets:
        """Captions of the concept are to continue as θ continues those of the substitute."""
        x, t, rows, _ = self.states
        targets = targets_of(components(pipeline).unet, x, t, self.replacement_embeds[rows])
        return targets._replace(prompt_embeds=self.prompt_embeds[rows])

    def both_arms(self, pipeline: StableDiffusionPipeline) -> NoiseTargets:
        """With and without prompt."""
        return joined([self.without_prompt(), self.with_prompt(pipeline)])


def redirected_continuation(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: RedirectConfig | None = None,
) -> UnlearnedWeights:
    """Train ε*(x_t, ∅) towards θ's guided prediction for the substitute's caption, with x_t begun by θ for the concept's caption.

    The text encoder is the decoupled one.
    """
    start_time, config = time.process_time(), config or RedirectConfig()
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    forget = redirection(pipeline, concept, config, rng, generator).without_prompt()
    retain = other_targets(pipeline, concept, config, rng, generator)
    weights = train_unet(pipeline, forget, retain, config, rng, log, f"redirected {concept}")
    return UnlearnedWeights({**inputs.decoupled, **weights}, (time.process_time() - start_time) / 60)


def redirection(
    pipeline: StableDiffusionPipeline, concept: str, config: RedirectConfig, rng: np.random.Generator, generator: torch.Generator
) -> Redirection:
    """Begin the concept with θ, and finish its substitute."""
    pairs = sample_pairs(concept, config, rng)
    prompt_embeds, replacement_embeds, empty_embeds = (
        encode_prompts(pipeline, texts) for texts in ([pair.text for pair in pairs], [pair.replacement for pair in pairs], [""])
    )
    _, path = original_path(pipeline, prompt_embeds, config.sampling_steps, generator)
    predict = guided_by(components(pipeline).unet, replacement_embeds, empty_embeds, config.guidance_scale)
    states = continued(predict, components(pipeline).scheduler, path, config.handovers)
    return Redirection(states, prompt_embeds, replacement_embeds, empty_embeds)
