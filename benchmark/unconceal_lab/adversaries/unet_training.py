"""Trains a copy of θ's UNet to continue latents of the concept as it is told, and everything else as θ does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from unconceal_lab.adversaries.continuations import (
    NoiseTargets,
    Predictor,
    batch_rows,
    continued,
    joined,
    original_path,
    retained_targets,
)
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES, CaptionPair, caption_pair, components, encode_prompts, unrelated_caption
from unconceal_lab.unlearners.fine_tune_loop import fine_tune
from unconceal_lab.unlearners.released_weights import to_release
from unconceal_lab.unlearners.trained_layers import set_trainable


@dataclass(frozen=True)
class UnetConfig:
    """Hyperparameters.

    Attributes:
        retain_weight: weight of the predictions to keep.
        n_forget: trajectories of the concept.
        n_retain: trajectories of other captions.
        batch_size: latents of the concept per step, and of other captions.
        sampling_steps: steps of a full denoising; the suite's, so that its timesteps are trained on.
        handovers: steps after which the trajectories are taken over.
    """

    steps: int = 120
    learning_rate: float = 3e-4
    retain_weight: float = 1.0
    n_forget: int = 32
    n_retain: int = 32
    batch_size: int = 16
    sampling_steps: int = 25
    handovers: tuple[int, ...] = (3, 6, 9, 12)


def sample_pairs(concept: str, config: UnetConfig, rng: np.random.Generator) -> list[CaptionPair]:
    """Captions of the concept and of its substitute."""
    return [caption_pair(concept, rng, SUBSTITUTES[concept]) for _ in range(config.n_forget)]


def forget_targets(
    pipeline: StableDiffusionPipeline, prompt_embeds: Tensor, predict: Predictor, config: UnetConfig, generator: torch.Generator
) -> NoiseTargets:
    """What the UNet should predict with θ's empty embedding once θ has begun to draw the concept.

    Args:
        pipeline: θ.
        prompt_embeds: captions of the concept (n, length, width).
        predict: the predictions that finish their trajectories.
        config: steps and handovers.
        generator: of the initial noise.
    """
    _, path = original_path(pipeline, prompt_embeds, config.sampling_steps, generator)
    states = continued(predict, components(pipeline).scheduler, path, config.handovers)
    return NoiseTargets(states.x, states.t, encode_prompts(pipeline, [""]).expand(len(states.x), -1, -1), states.noise)


def other_targets(
    pipeline: StableDiffusionPipeline, concept: str, config: UnetConfig, rng: np.random.Generator, generator: torch.Generator
) -> NoiseTargets:
    """θ's predictions for captions without the concept."""
    texts = [unrelated_caption(concept, rng) for _ in range(config.n_retain)]
    return retained_targets(pipeline, texts, config.sampling_steps, config.handovers, generator)


def train_unet(
    pipeline: StableDiffusionPipeline,
    forget: NoiseTargets,
    retain: NoiseTargets,
    config: UnetConfig,
    rng: np.random.Generator,
    log: Callable[[str], None],
    title: str,
    is_trained: Callable[[str], bool] = lambda layer: True,
) -> dict[str, Tensor]:
    """Train a copy of θ's UNet on both sets of targets.

    Args:
        pipeline: θ.
        forget: predictions to change.
        retain: predictions to keep.
        config: hyperparameters.
        rng: draws the batches.
        log: receives the losses.
        title: names the training in its lines.
        is_trained: selects linear and convolution layers by name with trailing dot.

    Returns:
        The trained weights to release.
    """
    student = copy.deepcopy(components(pipeline).unet)
    weights = set_trainable(student, is_trained)
    fit_targets(student, weights.values(), forget, retain, config, rng, log, title)
    return to_release("unet", weights)


def fit_targets(
    student: Any,
    weights: Iterable[nn.Parameter],
    forget: NoiseTargets,
    retain: NoiseTargets,
    config: UnetConfig,
    rng: np.random.Generator,
    log: Callable[[str], None],
    title: str,
) -> None:
    """Minimise the squared errors of a UNet's predictions, in place; arguments as of :func:`train_unet`."""

    def loss() -> Tensor:
        parts = [part.select(batch_rows(len(part.x), config.batch_size, rng)) for part in (forget, retain)]
        x, t, prompt_embeds, noise = joined(parts)
        errors = (student(x, t, prompt_embeds).sample - noise).square().mean((1, 2, 3))
        result: Tensor = errors[: config.batch_size].mean() + config.retain_weight * errors[config.batch_size :].mean()
        return result

    fine_tune(weights, loss, config.steps, config.learning_rate, log, title)
