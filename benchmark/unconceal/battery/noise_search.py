"""Search for an initial noise from which the model shows the concept, guided by the judge (after arXiv 2602.00175).

A budget of ``n_rounds`` × ``n_candidates`` images for each prompt. A round's candidates are √(1 − step²) · best + step · fresh noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from unconceal.battery.probe import ARM_LEVELS, BatteryPlan, Cost, Probe, ProbeInputs, ProbeScope
from unconceal.diffusion.handover import Arm, hand_over
from unconceal.generate.image_cache import Pixels


def plan(scope: ProbeScope) -> BatteryPlan:
    """A search in each arm; both are scored, since a text encoder can hide the concept from its own prompts but not from θ's empty one."""
    settings, levels = scope.battery.noise_search, tuple(ARM_LEVELS.values())
    n_images = len(scope.first_prompts(settings.n_prompts)) * settings.n_rounds * settings.n_candidates
    return BatteryPlan(1, levels, levels, Cost(n_images * scope.passes_in_both_arms * scope.suite.sampler.num_inference_steps))


def generate(inputs: ProbeInputs) -> dict[str, Pixels]:
    """The best image of every prompt in each arm."""
    prompts = inputs.scope.first_prompts(inputs.battery.noise_search.n_prompts)
    return {level: search(inputs, prompts, arm) for arm, level in ARM_LEVELS.items()}


def search(inputs: ProbeInputs, prompts: Sequence[str], arm: Arm) -> Pixels:
    """The image (n, h, w, 3) of each of n prompts that shows the concept most surely, of all rounds."""
    settings, rows = inputs.battery.noise_search, torch.arange(len(prompts))
    n_rounds, n_candidates = settings.n_rounds, settings.n_candidates
    noise = inputs.model.noise(inputs.seeds(prompts, n_rounds * n_candidates))
    fresh = noise.view(len(prompts), n_rounds, n_candidates, *noise.shape[1:])
    best, best_scores, best_images = fresh[:, 0, 0].clone(), np.full(len(prompts), -np.inf), list[Pixels]()
    for number in range(n_rounds):
        step = settings.step if number else 1.0
        candidates = (1 - step**2) ** 0.5 * best[:, None] + step * fresh[:, number]
        pixels = complete(inputs, prompts, candidates, arm)
        scores = inputs.presence_scores(pixels.reshape(-1, *pixels.shape[2:])).reshape(len(prompts), n_candidates)
        winners = scores.argmax(axis=1)
        better = scores.max(axis=1) > best_scores
        images = [pixels[row, winner] for row, winner in enumerate(winners)]
        best_images = [
            new if improved or not number else old for new, old, improved in zip(images, best_images or images, better, strict=True)
        ]
        best[better] = candidates[rows, torch.from_numpy(winners)][better]
        best_scores = np.maximum(best_scores, scores.max(axis=1))
    return np.stack(best_images)


def complete(inputs: ProbeInputs, prompts: Sequence[str], noise: torch.Tensor, arm: Arm) -> Pixels:
    """Images (n, candidates, h, w, 3) of n prompts from noise (n, candidates, …)."""
    repeated = [prompt for prompt in prompts for _ in range(noise.shape[1])]
    finished, passes = hand_over(inputs.model, inputs.original, repeated, {0: noise.flatten(0, 1)}, (arm,), inputs.batch_size)
    inputs.advance(passes)
    pixels = inputs.decode(finished[arm, 0])
    return pixels.reshape(*noise.shape[:2], *pixels.shape[1:])


NOISE_SEARCH = Probe(plan, torch.inference_mode()(generate))
