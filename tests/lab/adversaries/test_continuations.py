from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import listening
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.guidance import guided_prediction
from unconceal.diffusion.handover import prompt_guidance
from unconceal_lab.adversaries.continuations import continued, guided_by, original_path, retained_targets, unguided
from unconceal_lab.unlearners.concept_captions import encode_prompts
from unconceal_lab.unlearners.denoising_loss import GUIDANCE_SCALE

STEPS, TEXTS = 5, ["a red star", "a blue star"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return listening(tiny_pipeline(tmp_path_factory.mktemp("base")))


def test_a_continuation_is_the_suites_own(pipeline: StableDiffusionPipeline) -> None:
    """States, timesteps and predictions of an unguided continuation equal those of the suite's sampler."""
    _, path = original_path(pipeline, encode_prompts(pipeline, TEXTS), STEPS, torch.Generator().manual_seed(0))
    empty = encode_prompts(pipeline, [""])
    states = continued(unguided(pipeline.unet, empty), pipeline.scheduler, path, (1, 3))
    assert states.rows.tolist() == [0, 1] * (4 + 2)
    model = StableDiffusion(pipeline, STEPS, GUIDANCE_SCALE)
    scheduler, x = model.scheduler(), path[1]
    with torch.no_grad():
        for step in range(1, STEPS):
            t = scheduler.timesteps[step]
            at_step = states.t == t
            assert torch.allclose(states.x[at_step][:2], x, atol=1e-4)
            predicted = pipeline.unet(x, t, empty.expand(2, -1, -1)).sample
            assert torch.allclose(states.noise[at_step][:2], predicted, atol=1e-4)
            x = model.step(scheduler, predicted, t, x).latents
    assert torch.equal(states.x[states.t == scheduler.timesteps[3]][2:], path[3])


def test_guidance_is_the_suites_own(pipeline: StableDiffusionPipeline) -> None:
    model = StableDiffusion(pipeline, STEPS, 4.0)
    x, t = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor(601)
    with torch.no_grad():
        predict = guided_by(pipeline.unet, encode_prompts(pipeline, TEXTS), encode_prompts(pipeline, [""]), 4.0)
        predicted = predict(x.flip(0), t, torch.tensor([1, 0]))
    expected, _ = guided_prediction(model, x, t, prompt_guidance(model, TEXTS), 0, 8)
    assert torch.allclose(predicted.flip(0), expected, atol=1e-4)


def test_retained_targets_are_the_models_own_predictions(pipeline: StableDiffusionPipeline, tmp_path: Path) -> None:
    targets = retained_targets(pipeline, TEXTS, STEPS, (2,), torch.Generator().manual_seed(0))
    n_path, n_continued = STEPS * 2, (STEPS - 2) * 2
    assert len(targets.x) == 2 * n_path + n_continued
    with torch.no_grad():
        predicted = pipeline.unet(targets.x, targets.t, targets.prompt_embeds).sample
    assert torch.allclose(predicted, targets.noise, atol=1e-4)
    empty = encode_prompts(pipeline, [""])
    assert [torch.equal(row, empty[0]) for row in targets.prompt_embeds] == [False] * n_path + [True] * (n_path + n_continued)
