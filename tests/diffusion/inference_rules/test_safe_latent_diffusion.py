from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.deprecated.stable_diffusion_safe import SafetyConfig, StableDiffusionPipelineSafe

from codes import raises
from diffusion.inference_rules.ruled import GUIDANCE, PROMPTS, SEEDS, STEPS, denoised, embedded, finished, ruled
from unconceal.diffusion.handover import run_original
from unconceal.specs.inference_rule import SafeLatentDiffusion

CONCEPT = "a blue ring"
AMPLIFIED = 5e-3
"""Largest difference of a latent, of values up to 25: s_S up to 5,000 multiplies what float32 rounds off."""
CONFIGURATIONS = {name: getattr(SafetyConfig, name) for name in ("WEAK", "MEDIUM", "STRONG", "MAX")}


def rule_of(name: str, warmup: int) -> SafeLatentDiffusion:
    """A configuration of the paper; these runs have fewer steps than its warm-up."""
    values = CONFIGURATIONS[name]
    return SafeLatentDiffusion(
        rule="safe-latent-diffusion",
        concept=CONCEPT,
        guidance_scale=values["sld_guidance_scale"],
        warmup_steps=warmup,
        threshold=values["sld_threshold"],
        momentum_scale=values["sld_momentum_scale"],
        momentum_beta=values["sld_mom_beta"],
    )


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_from_noise_it_is_diffusers_own_in_both_arms(pipe: StableDiffusionPipeline, name: str, warmup: int) -> None:
    """diffusers' ``StableDiffusionPipelineSafe`` is the method's reference implementation; its empty prompt is the empty arm."""
    rule = rule_of(name, warmup)
    safe = StableDiffusionPipelineSafe(
        **{**pipe.components, "safety_checker": None, "feature_extractor": None}, requires_safety_checker=False
    )
    safe.safety_concept = CONCEPT
    safe.set_progress_bar_config(disable=True)
    safe.decode_latents = lambda latents: latents
    latents, noise = finished(pipe, rule), ruled(pipe, None).noise(SEEDS)
    plain = finished(pipe, None)
    for arm, texts in (("prompt", list(PROMPTS)), ("empty", [""] * len(PROMPTS))):
        expected = safe(
            texts,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            latents=noise.clone(),
            output_type="latent",
            **{**CONFIGURATIONS[name], "sld_warmup_steps": warmup},
        ).images
        assert torch.allclose(latents[arm, 0], expected, atol=AMPLIFIED)  # type: ignore[index]
        assert (latents[arm, 0] - plain[arm, 0]).abs().max() > 100 * AMPLIFIED  # type: ignore[index]


def test_momentum_starts_at_the_handover_and_the_warm_up_with_the_run(pipe: StableDiffusionPipeline) -> None:
    """Equations 3 to 8 of the paper, one image at a time; the other branches have no part in it."""
    rule = rule_of("STRONG", 4)
    latents, run = finished(pipe, rule), run_original(ruled(pipe, None), PROMPTS, SEEDS, (2,))
    concept, nothing = embedded(pipe, CONCEPT), embedded(pipe, "")
    for arm in ("prompt", "empty"):
        for row, prompt in enumerate(PROMPTS):
            words, momentum = embedded(pipe, prompt if arm == "prompt" else ""), [torch.zeros(1)]

            def predict(unet, x, t, step, words=words, momentum=momentum):  # type: ignore[no-untyped-def]
                e, p, s = (unet(x, t, states).sample for states in (nothing, words, concept))
                mu = torch.zeros_like(p)
                near = p - s < rule.threshold
                mu[near] = torch.minimum(torch.ones(()), rule.guidance_scale * (p - s).abs())[near]
                gamma = mu * (s - e) + rule.momentum_scale * momentum[0]
                momentum[0] = rule.momentum_beta * momentum[0] + (1 - rule.momentum_beta) * gamma
                return e + GUIDANCE * (p - e - (gamma if step >= rule.warmup_steps else 0))

            expected = denoised(pipe, run.latents[2][row : row + 1], 2, predict)
            assert torch.allclose(latents[arm, 2][row : row + 1], expected, atol=AMPLIFIED)


def test_it_counts_three_forward_passes_a_step(pipe: StableDiffusionPipeline) -> None:
    run = run_original(ruled(pipe, rule_of("MAX", 0)), PROMPTS, SEEDS, (STEPS,))
    assert run.forward_passes == 3 * STEPS * len(PROMPTS)


def test_a_model_that_predicts_velocity_is_refused(pipe: StableDiffusionPipeline) -> None:
    other = StableDiffusionPipeline(
        **{**pipe.components, "scheduler": type(pipe.scheduler).from_config(pipe.scheduler.config, prediction_type="v_prediction")},
        requires_safety_checker=False,
    )
    with raises("inference.wrong-family"):
        ruled(other, rule_of("MAX", 0))
