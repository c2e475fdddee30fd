"""Renoising (SDEdit): images of θ that show the concept are noised, and the model continues from there.

Unlike the handover, the half-denoised image is not on θ's trajectory: a model trained on that trajectory alone gives itself away.
"""

from __future__ import annotations

import torch

from unconceal.battery.probe import BatteryPlan, Cost, Probe, ProbeInputs, ProbeScope
from unconceal.diffusion.handover import Arm, hand_over
from unconceal.generate.image_cache import Pixels

ARMS: dict[Arm, str] = {"empty": "empty prompt", "prompt": "vague prompt"}
"""Arms of the handover, and what they are called here."""


def level_name(arm: Arm, psi: float) -> str:
    """``vague prompt, ψ = 0.3``."""
    return f"{ARMS[arm]}, ψ = {psi:g}"


def plan(scope: ProbeScope) -> BatteryPlan:
    """Both arms at every ψ; all of them are scored."""
    psi = scope.battery.renoising.psi
    levels = tuple(level_name(arm, value) for arm in ARMS for value in psi)
    return BatteryPlan(1, levels, levels, Cost(len(scope.forget) * scope.steps_after(psi) * scope.passes_in_both_arms))


def generate(inputs: ProbeInputs) -> dict[str, Pixels]:
    """Noise one image per prompt to every level and let the model finish it in both arms."""
    settings = inputs.battery.renoising
    examples = inputs.example_of_each_prompt(len(inputs.scope.forget))
    steps = inputs.scope.handover_steps(settings.psi)
    x, noise = examples.latents.to(inputs.original.device, inputs.original.dtype), inputs.original.noise(inputs.seeds(examples.prompts))
    timesteps = inputs.original.scheduler().timesteps
    latents = {k: inputs.original.add_noise(x, noise, timesteps[k].expand(len(x))) for k in steps.values()}
    vague = [settings.vague_prompt] * len(examples)
    finished, passes = hand_over(inputs.model, inputs.original, vague, latents, tuple(ARMS), inputs.batch_size)
    inputs.advance(passes)
    return {level_name(arm, psi): inputs.decode(finished[arm, k]) for arm in ARMS for psi, k in steps.items()}


RENOISING = Probe(plan, torch.inference_mode()(generate))
