from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline

from diffusion.inference_rules.ruled import PROMPTS, SEEDS, finished, ruled
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.specs.inference_rule import PromptFilter


def test_a_prompt_with_a_word_is_replaced_and_another_is_not(pipe: StableDiffusionPipeline) -> None:
    original = ruled(pipe, None)
    run = run_original(original, PROMPTS, SEEDS, (0, 2))
    for instead in ("", "a blue ring"):
        latents = finished(pipe, PromptFilter(rule="prompt-filter", words=("STAR",), instead=instead))
        expected, _ = hand_over(original, original, [instead, PROMPTS[1], instead], run.latents, ("prompt", "empty"))
        for branch in expected:
            assert torch.allclose(latents[branch], expected[branch], atol=1e-5)
