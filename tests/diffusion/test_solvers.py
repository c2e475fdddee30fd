"""The other solvers that a sweep may name: each handed over as diffusers' own scheduler steps, and cut where its own levels lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, StableDiffusionPipeline

from diffusion.pairs import GUIDANCE, STEPS, slowly, trio
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.specs.suite import Sampler, SchedulerName

PROMPT, SEED, K = "a red star on a white background", 7, (0, 1, 3, STEPS)
CLASSES: dict[SchedulerName, tuple[Any, dict[str, Any]]] = {
    "euler": (EulerDiscreteScheduler, {"timestep_spacing": "leading"}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {"timestep_spacing": "leading", "algorithm_type": "dpmsolver++", "solver_order": 2}),
}


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    return trio(tmp_path_factory.mktemp("solvers"))


def with_solver(pipe: StableDiffusionPipeline, solver: str) -> StableDiffusion:
    return StableDiffusion(pipe, STEPS, GUIDANCE, solver=solver)


@pytest.mark.parametrize("solver", CLASSES)
def test_it_equals_the_slow_way(pipes: dict[str, StableDiffusionPipeline], solver: SchedulerName) -> None:
    kind, embeddings = CLASSES[solver]
    original, unlearned = with_solver(pipes["original"], solver), with_solver(pipes["unet"], solver)
    latents = run_original(original, [PROMPT], [SEED], K).latents
    finished, _ = hand_over(unlearned, original, [PROMPT], latents, ("prompt", "empty"))
    for (arm, k), x in finished.items():
        fresh = kind.from_config(pipes["original"].scheduler.config, **embeddings)
        expected = slowly(pipes["original"], pipes["unet"], PROMPT, SEED, k, arm, fresh)
        assert np.abs(original.decode(x)[0] - 255 * expected).max() < 0.8, (arm, k)


@pytest.mark.parametrize("solver", ["ddim", *CLASSES])
def test_the_plan_knows_its_levels(pipes: dict[str, StableDiffusionPipeline], solver: SchedulerName) -> None:
    for steps in (4, 25, 50):
        sampler = Sampler(scheduler=solver, num_inference_steps=steps, guidance_scale=5)
        planned = FAMILIES["stable-diffusion"].levels(sampler)
        model = FAMILIES["stable-diffusion"].load(pipes["original"], sampler)
        assert np.allclose(model.noise_levels(), planned, atol=1e-3) and list(planned) == sorted(planned, reverse=True)


@pytest.mark.parametrize("solver", CLASSES)
def test_clean_predictions_are_pictures_of_the_same_thing(pipes: dict[str, StableDiffusionPipeline], solver: SchedulerName) -> None:
    """At the last step x̂0 is all but the finished picture, whatever the solver keeps its latents in."""
    run = run_original(with_solver(pipes["original"], solver), [PROMPT], [SEED], (STEPS,))
    assert np.abs(run.clean_latents[STEPS] - run.latents[STEPS]).max() < 0.05
