"""θ's noise levels for a θ* of another noise schedule: equal ᾱ is equal noise, whichever timestep a model calls it.

Both see x = √ᾱ x₀ + √(1 − ᾱ) ε. So the solver steps through θ's levels, and θ* is called at the timestep of its own schedule that has the
same ᾱ, interpolated in log(ᾱ / (1 − ᾱ)). Whether it predicts ε or v its own scheduler says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.model import Model
from unconceal.errors import CheckFailed

Curve = NDArray[np.float64]
REACH = 0.05
"""How far outside a schedule, in log(ᾱ / (1 − ᾱ)), a level still counts as its end."""
SAME = 1e-5


def log_ratio(model: Model) -> Curve:
    """log(ᾱ / (1 − ᾱ)) of every timestep of a model's own schedule, descending."""
    solver: Any = type(model.scheduler()).from_config(model.pipeline.scheduler.config)
    signal = np.clip(solver.alphas_cumprod.double().numpy(), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(signal) - np.log1p(-signal))


def aligned_to_base(unlearned: Model, original: Model) -> Model:
    """θ* as it goes on from θ's latents: itself where both schedules are one.

    Raises:
        CheckFailed: θ* never saw one of θ's noise levels, or steps through others with no common measure.
    """
    if not isinstance(unlearned, StableDiffusion) or not isinstance(original, StableDiffusion):
        if not np.allclose(unlearned.noise_levels(), original.noise_levels(), atol=1e-3):
            raise CheckFailed(
                "noise.other-shift",
                "the checkpoint's time shift",
                "is not the base's, so its steps stand on other noise levels",
                "give it the base's",
            )
        return unlearned
    ours, theirs = log_ratio(original), log_ratio(unlearned)
    if len(ours) == len(theirs) and np.abs(ours - theirs).max() < SAME and original.noise_levels() == unlearned.noise_levels():
        return unlearned
    wanted = ours[[int(t) for t in original.noise_levels()]]
    if wanted.min() < theirs.min() - REACH or wanted.max() > theirs.max() + REACH:
        value = f"the checkpoint's noise schedule, log(ᾱ / (1 − ᾱ)) from {theirs.max():.2f} to {theirs.min():.2f},"
        consequence = f"does not reach θ's levels, {wanted.max():.2f} to {wanted.min():.2f}, at which it would be asked"
        raise CheckFailed("noise.levels-not-covered", value, consequence, "take a model that was trained on all of them")
    times = {t: float(np.interp(-ours[int(t)], -theirs, np.arange(len(theirs)))) for t in original.noise_levels()}
    return replace(unlearned, ladder=original.pipeline.scheduler.config, own_times=times)
