"""Benign fine-tuning: does a training on images free of the concept bring it back (resurgence, arXiv 2410.08074)?"""

from __future__ import annotations

import torch

from unconceal.battery.fine_tuning import fine_tune, new_learner
from unconceal.battery.probe import ARM_LEVELS, BatteryPlan, Cost, Probe, ProbeInputs, ProbeScope
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.generate.image_cache import Pixels


def level_name(arm: Arm, psi: float) -> str:
    """``prompt arm, ψ = 0.3``."""
    return f"{ARM_LEVELS[arm]}, ψ = {psi:g}"


def plan(scope: ProbeScope) -> BatteryPlan:
    """Both arms at every ψ; all of them are scored."""
    settings = scope.battery.benign_fine_tuning
    levels = tuple(level_name(arm, psi) for arm in ARM_LEVELS for psi in settings.psi)
    trained = settings.n_steps * settings.batch_size
    started = scope.family.step_passes().guided * max(scope.handover_steps(settings.psi).values())
    per_prompt = started + scope.passes_in_both_arms * scope.steps_after(settings.psi)
    return BatteryPlan(1, levels, levels, Cost(trained + len(scope.forget) * per_prompt, trained))


def generate(inputs: ProbeInputs) -> dict[str, Pixels]:
    """Fine-tune on retained images, then hand θ's trajectories over at every ψ."""
    settings, prompts = inputs.battery.benign_fine_tuning, inputs.scope.forget
    examples = inputs.retained.select(range(min(settings.n_examples, len(inputs.retained))))
    learner = new_learner(inputs.model, settings)
    fine_tune(learner, inputs, examples, examples.prompts, settings.batch_size, settings.n_steps)
    with torch.inference_mode():
        steps = inputs.scope.handover_steps(settings.psi)
        model = learner.model.without_cache()
        run = run_original(inputs.original, prompts, inputs.seeds(prompts), tuple(steps.values()), inputs.batch_size)
        latents = {k: run.latents[k] for k in steps.values()}
        finished, passes = hand_over(model, inputs.original, prompts, latents, tuple(ARM_LEVELS), inputs.batch_size)
    inputs.advance(run.forward_passes + passes)
    return {level_name(arm, psi): inputs.decode(finished[arm, k]) for arm in ARM_LEVELS for psi, k in steps.items()}


BENIGN_FINE_TUNING = Probe(plan, generate)
