"""The step at which a ratio ψ hands over (docs/concepts/standard-protocol.md). No torch."""

from __future__ import annotations

from collections.abc import Sequence

ROUNDING = 1e-9
"""Tolerance, so that rounding does not make σ = .7 larger than 1 − .3."""


def handover_step(psi: float, timesteps: Sequence[float], train_steps: int = 1000) -> int:
    """k(ψ): how many steps θ runs.

    The cut is by noise level: θ runs every ``t >= round(train_steps · (1 − ψ))``, and every step at ψ = 1.

    Args:
        psi: partial-diffusion ratio in [0, 1].
        timesteps: of the scheduler, descending.
        train_steps: N_train.

    Returns:
        k in [0, len(timesteps)].

    Raises:
        ValueError: ψ outside [0, 1].
    """
    if not 0 <= psi <= 1:
        raise ValueError(f"ψ = {psi} is outside [0, 1]")
    if psi == 1:
        return len(timesteps)
    cut = round(train_steps * (1 - psi))
    return sum(t >= cut for t in timesteps)


def handover_steps(grid: Sequence[float], timesteps: Sequence[float], train_steps: int = 1000) -> dict[float, int]:
    """k(ψ) of every ψ of a grid. Ratios with equal k share their images."""
    return {psi: handover_step(psi, timesteps, train_steps) for psi in grid}


def flow_sigmas(steps: int, shift: float = 1.0) -> tuple[float, ...]:
    """σ of a flow-matching Euler sampler, descending: from 1 to 1 / steps, each shifted to s·σ / (1 + (s − 1)·σ).

    ``shift``: s. A dynamic shift μ, as in FLUX.1-dev, is s = exp(μ).
    """
    even = ((steps - i) / steps for i in range(steps))
    return tuple(shift * sigma / (1 + (shift - 1) * sigma) for sigma in even)


def handover_step_by_sigma(psi: float, sigmas: Sequence[float]) -> int:
    """k(ψ) of flow matching: θ runs every ``σ > 1 − ψ``, and every step at ψ = 1."""
    if not 0 <= psi <= 1:
        raise ValueError(f"ψ = {psi} is outside [0, 1]")
    return len(sigmas) if psi == 1 else sum(sigma > 1 - psi + ROUNDING for sigma in sigmas)


def handover_steps_by_sigma(grid: Sequence[float], sigmas: Sequence[float], train_steps: int = 1000) -> dict[float, int]:
    """k(ψ) of every ψ of a grid. ``train_steps`` is ignored: σ does not depend on it."""
    return {psi: handover_step_by_sigma(psi, sigmas) for psi in grid}


def ddim_timesteps(steps: int, train_steps: int = 1000, offset: int = 1) -> tuple[int, ...]:
    """The descending timesteps of diffusers' DDIM with leading spacing, as Stable Diffusion configures it."""
    ratio = train_steps // steps
    return tuple(i * ratio + offset for i in reversed(range(steps)))


def dpm_timesteps(steps: int, train_steps: int = 1000, offset: int = 1) -> tuple[int, ...]:
    """The descending timesteps of diffusers' DPM-Solver++ with leading spacing: one interval of ``steps`` + 1 lies before the first."""
    ratio = train_steps // (steps + 1)
    return tuple(i * ratio + offset for i in reversed(range(1, steps + 1)))
