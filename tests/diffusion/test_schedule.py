from __future__ import annotations

from fractions import Fraction

import pytest
from diffusers import DDIMScheduler

from unconceal.diffusion.schedule import ddim_timesteps, handover_step, handover_steps
from unconceal_lab.models.denoiser import new_scheduler

GRID = ("0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45", "0.5", "0.55", "0.6", "0.7", "0.85", "1")


@pytest.mark.parametrize("steps", [25, 50])
def test_the_timesteps_are_those_of_diffusers(steps: int) -> None:
    for built in (new_scheduler(), DDIMScheduler(steps_offset=1, num_train_timesteps=1000)):
        built.set_timesteps(steps)
        assert ddim_timesteps(steps) == tuple(built.timesteps.tolist())


@pytest.mark.parametrize("steps", [25, 50])
def test_the_cut_is_by_noise_level(steps: int) -> None:
    """Against exact fractions: the share of the noise levels at or above 1 − ψ."""
    timesteps = ddim_timesteps(steps)
    for text in GRID[:-1]:
        expected = sum(Fraction(t, 1000) >= 1 - Fraction(text) for t in timesteps)
        assert handover_step(float(text), timesteps) == expected, text


def test_nothing_at_zero_everything_at_one() -> None:
    timesteps = ddim_timesteps(25)
    assert handover_step(0, timesteps) == 0 and handover_step(1, timesteps) == 25
    # The last timestep lies at 1 of 1000, so that no cut but ψ = 1 itself may claim it early.
    assert handover_step(0.998, timesteps) == 24 and handover_step(0.999, timesteps) == 25


def test_a_timestep_on_the_cut_is_still_the_originals() -> None:
    assert [handover_step(psi, (900, 500, 1)) for psi in (0.099, 0.1, 0.499, 0.5, 0.501)] == [0, 1, 1, 2, 2]


def test_another_length_of_training_scales_the_cut() -> None:
    assert handover_step(0.5, (90, 50, 10), train_steps=100) == 2


def test_k_never_falls_along_the_grid() -> None:
    k = list(handover_steps([i / 100 for i in range(101)], ddim_timesteps(25)).values())
    assert k == sorted(k) and k[0] == 0 and k[-1] == 25 and set(k) == set(range(26))


def test_near_ratios_share_a_cell() -> None:
    assert handover_steps((0.0, 0.01, 0.041, 0.05), ddim_timesteps(25)) == {0.0: 0, 0.01: 0, 0.041: 1, 0.05: 1}


@pytest.mark.parametrize("psi", [-0.01, 1.01, float("nan"), float("inf")])
def test_ratios_out_of_range_are_refused(psi: float) -> None:
    with pytest.raises(ValueError, match="ψ"):
        handover_step(psi, (900, 500, 1))
