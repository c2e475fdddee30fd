"""Where on the noise schedule a ratio ψ hands over (METRICS.md section 1). No torch."""

from __future__ import annotations

from collections.abc import Sequence


def handover_step(psi: float, timesteps: Sequence[int], train_steps: int = 1000) -> int:
    """k(ψ): how many steps θ runs, in [0, len(timesteps)].

    The cut is by noise level: θ runs every ``t >= round(train_steps · (1 − ψ))``, and every step at ψ = 1.
    ``timesteps`` descend, as a scheduler lists them.
    """
    if not 0 <= psi <= 1:
        raise ValueError(f"ψ = {psi} lies outside [0, 1]")
    if psi == 1:
        return len(timesteps)
    cut = round(train_steps * (1 - psi))
    return sum(t >= cut for t in timesteps)


def handover_steps(grid: Sequence[float], timesteps: Sequence[int], train_steps: int = 1000) -> dict[float, int]:
    """k(ψ) of every ψ of a grid; ratios with equal k are one cell."""
    return {psi: handover_step(psi, timesteps, train_steps) for psi in grid}


def ddim_timesteps(steps: int, train_steps: int = 1000, offset: int = 1) -> tuple[int, ...]:
    """The descending timesteps of diffusers' DDIM with leading spacing, as Stable Diffusion configures it."""
    ratio = train_steps // steps
    return tuple(i * ratio + offset for i in reversed(range(steps)))
