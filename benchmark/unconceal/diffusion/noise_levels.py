"""Alignment of a θ* with another noise schedule to θ's noise levels: equal ᾱ is equal noise, at whichever timestep.

Both models see x = √ᾱ x₀ + √(1 − ᾱ) ε. The solver steps through θ's levels, and θ* is called at the timestep of its own schedule with the
same ᾱ, interpolated in log(ᾱ / (1 − ᾱ)). θ*'s own scheduler says whether it predicts ε or v.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.model import Model
from unconceal.errors import CheckFailed
from unconceal.metrics.statistics import FloatArray

MAX_OVERSHOOT = 0.05
"""How far outside a schedule, in log(ᾱ / (1 − ᾱ)), a level may be."""
SCHEDULE_TOLERANCE = 1e-5


def log_ratio(model: Model) -> FloatArray:
    """log(ᾱ / (1 − ᾱ)) of every timestep of a model's own schedule, (N_train,), descending."""
    solver: Any = type(model.scheduler()).from_config(model.pipeline.scheduler.config)
    signal = np.clip(solver.alphas_cumprod.double().numpy(), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(signal) - np.log1p(-signal))


def aligned_to_base(unlearned: Model, original: Model) -> Model:
    """θ* prepared to continue from θ's latents.

    Returns:
        θ* itself where both schedules are equal; otherwise a copy that is called at the timesteps of equal noise.

    Raises:
        CheckFailed: θ*'s schedule does not cover θ's noise levels, or the time shifts of flow matching differ.
    """
    if not isinstance(unlearned, StableDiffusion) or not isinstance(original, StableDiffusion):
        if not np.allclose(unlearned.noise_levels(), original.noise_levels(), atol=1e-3):
            raise CheckFailed(
                "noise.other-shift",
                "the checkpoint's time shift",
                "differs from the base's, so its steps are at other noise levels",
                "set it to the base's",
            )
        return unlearned
    base_ratio, own_ratio = log_ratio(original), log_ratio(unlearned)
    if (
        len(base_ratio) == len(own_ratio)
        and np.abs(base_ratio - own_ratio).max() < SCHEDULE_TOLERANCE
        and original.noise_levels() == unlearned.noise_levels()
    ):
        return unlearned
    needed = base_ratio[[int(t) for t in original.noise_levels()]]
    if needed.min() < own_ratio.min() - MAX_OVERSHOOT or needed.max() > own_ratio.max() + MAX_OVERSHOOT:
        value = f"the checkpoint's noise schedule, log(ᾱ / (1 − ᾱ)) from {own_ratio.max():.2f} to {own_ratio.min():.2f},"
        consequence = f"does not reach θ's levels, {needed.max():.2f} to {needed.min():.2f}"
        raise CheckFailed("noise.levels-not-covered", value, consequence, "take a model that was trained on all of them")
    mapped = np.interp(-base_ratio, -own_ratio, np.arange(len(own_ratio)))
    timestep_map = {float(t): float(counterpart) for t, counterpart in enumerate(mapped)}
    return replace(unlearned, base_scheduler_config=original.pipeline.scheduler.config, timestep_map=timestep_map)
