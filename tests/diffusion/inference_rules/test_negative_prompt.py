from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline

from diffusion.inference_rules.ruled import GUIDANCE, PROMPTS, SEEDS, STEPS, TOLERANCE, denoised, embedded, finished, ruled
from unconceal.diffusion.handover import run_original
from unconceal.specs.inference_rule import NegativePrompt

RULE = NegativePrompt(rule="negative-prompt", prompt="a blue ring")


def test_from_noise_it_is_the_pipelines_own(pipe: StableDiffusionPipeline) -> None:
    """In both arms: the empty arm is the empty prompt with guidance, which diffusers leads away from the negative prompt as well."""
    latents = finished(pipe, RULE)
    noise = ruled(pipe, None).noise(SEEDS)
    settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "output_type": "latent"}
    for arm, texts in (("prompt", list(PROMPTS)), ("empty", [""] * len(PROMPTS))):
        expected = pipe(texts, negative_prompt=[RULE.prompt] * len(PROMPTS), latents=noise.clone(), **settings).images
        assert torch.allclose(latents[arm, 0], expected, atol=TOLERANCE)  # type: ignore[index]


def test_after_the_handover_it_acts_from_the_step_of_the_handover(pipe: StableDiffusionPipeline) -> None:
    latents, run = finished(pipe, RULE), run_original(ruled(pipe, None), PROMPTS, SEEDS, (2,))
    away = embedded(pipe, RULE.prompt)
    for arm in ("prompt", "empty"):
        for row, prompt in enumerate(PROMPTS):
            towards = embedded(pipe, prompt if arm == "prompt" else "")

            def predict(unet, x, t, step, towards=towards):  # type: ignore[no-untyped-def]
                first, second = (unet(x, t, states).sample for states in (away, towards))
                return first + GUIDANCE * (second - first)

            expected = denoised(pipe, run.latents[2][row : row + 1], 2, predict)
            assert torch.allclose(latents[arm, 2][row : row + 1], expected, atol=TOLERANCE)


def test_the_whole_of_the_original_stays_as_it_is(pipe: StableDiffusionPipeline) -> None:
    assert torch.equal(finished(pipe, RULE)["prompt", STEPS], finished(pipe, None)["prompt", STEPS])
