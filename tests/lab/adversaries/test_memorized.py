from __future__ import annotations

from pathlib import Path

import torch

from adversary_inputs import tiny_inputs
from pipelines import tiny_pipeline
from releases import listening
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal_lab.adversaries.memorized import initial_noise, memorized_targets
from unconceal_lab.unlearners.denoising_loss import GUIDANCE_SCALE


def test_the_memorized_trajectories_are_the_suites_own(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path))
    inputs, steps = tiny_inputs(tmp_path, pipeline), 4
    images = inputs.evaluation_images
    model = StableDiffusion(pipeline, steps, GUIDANCE_SCALE)
    seeds = [image.seed for image in images]
    assert torch.equal(initial_noise(pipeline.unet, images), model.noise(seeds))

    run = run_original(model, [image.prompt for image in images], seeds, (1, 2))
    targets = memorized_targets(pipeline, inputs, (1, 2), steps)
    timesteps = model.scheduler().timesteps
    assert torch.allclose(targets.x[targets.t == timesteps[1]], run.latents[1], atol=1e-4)
    assert torch.allclose(targets.x[targets.t == timesteps[2]][2:], run.latents[2], atol=1e-4)
    with torch.no_grad():
        predicted = inputs.gold.unet(targets.x, targets.t, targets.prompt_embeds).sample
    assert torch.allclose(predicted, targets.noise, atol=1e-4)
