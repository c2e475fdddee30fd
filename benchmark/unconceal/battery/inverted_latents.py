"""Inverted latents: θ's images of the concept are led back to noise by the probed model, then generated again (arXiv 2512.22877).

The inversion is unconditional, with θ's embedding of the empty prompt, so that no text encoder of the submission takes part in it.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from unconceal.battery.probe import ARM_LEVELS, BatteryPlan, Cost, Examples, Probe, ProbeInputs, ProbeScope
from unconceal.diffusion.handover import hand_over, unconditional
from unconceal.diffusion.model import Model
from unconceal.generate.image_cache import Pixels


def plan(scope: ProbeScope) -> BatteryPlan:
    """Both arms, of which the prompt arm is scored: unguided, every model gives back the image that was inverted, golds too."""
    n_steps, levels = scope.suite.sampler.num_inference_steps, tuple(ARM_LEVELS.values())
    per_prompt = n_steps - 1 + scope.passes_in_both_arms * n_steps
    return BatteryPlan(1, levels, levels[:1], Cost(len(scope.first_prompts(scope.battery.inverted_latents.n_prompts)) * per_prompt))


def generate(inputs: ProbeInputs) -> dict[str, Pixels]:
    """Invert one image of each prompt and generate from its noise in both arms."""
    examples = inputs.example_of_each_prompt(inputs.battery.inverted_latents.n_prompts)
    noise = invert(inputs, examples)
    finished, passes = hand_over(inputs.model, inputs.original, examples.prompts, {0: noise}, tuple(ARM_LEVELS), inputs.batch_size)
    inputs.advance(passes)
    return {level: inputs.decode(finished[arm, 0]) for arm, level in ARM_LEVELS.items()}


def invert(inputs: ProbeInputs, examples: Examples) -> torch.Tensor:
    """Latents (n, …) at the sampler's first noise level.

    The clean latents get seeded noise of the sampler's last level; from there, every step moves from one level to the next higher.
    """
    model, original = inputs.model, inputs.original
    empty = unconditional(*(part.encode_prompts(examples.prompts).empty for part in (model, original)))
    x, noise = examples.latents.to(original.device, original.dtype), original.noise(inputs.seeds(examples.prompts))
    ascending = [t.expand(len(x)) for t in original.scheduler().timesteps.flip(0)]
    x = original.add_noise(x, noise, ascending[0])
    for t, higher in pairwise(ascending):
        clean, noise = clean_and_noise(model, x, model.predict(x, t[0], empty, inputs.batch_size), t)
        x = original.add_noise(clean, noise, higher)
        inputs.advance(len(x))
    return x


def clean_and_noise(model: Model, x: torch.Tensor, predicted: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean latents and noise that a prediction implies, both (n, …).

    Latents a·x₀ + s·ε and prediction p·x₀ + q·ε are linear in both, whether the model predicts ε, v or a velocity.

    Args:
        model: that predicted.
        x: (n, …) noised latents.
        predicted: (n, …).
        timesteps: (n,) of the latents.
    """
    zeros, ones = torch.zeros_like(x), torch.ones_like(x)
    a, s = model.add_noise(ones, zeros, timesteps), model.add_noise(zeros, ones, timesteps)
    p, q = model.training_target(ones, zeros, timesteps), model.training_target(zeros, ones, timesteps)
    determinant = a * q - s * p
    return (q * x - s * predicted) / determinant, (a * predicted - p * x) / determinant


INVERTED_LATENTS = Probe(plan, torch.inference_mode()(generate))
