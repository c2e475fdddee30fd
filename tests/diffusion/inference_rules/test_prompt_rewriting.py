from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline

from diffusion.inference_rules.ruled import PROMPTS, SEEDS, finished, ruled
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.inference_rules.prompt_rewriting import rewritten
from unconceal.specs.inference_rule import PromptRewriting

RULE = PromptRewriting(rule="prompt-rewriting", replacements={"star": "circle", "Star Shape": "ring", "zara": "", "c++ (x)": "code"})


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red star on a white background", "a red circle on a white background"),
        ("a STAR  shape, a starfish", "a ring, a starfish"),
        ("a drawing of zara, gray background", "a drawing of , gray background"),
        ("two  spaces stay", "two  spaces stay"),
        ("c++ (x) and star", "code and circle"),
        ("", ""),
    ],
)
def test_words_are_found_at_their_borders(prompt: str, expected: str) -> None:
    assert rewritten(RULE, prompt) == expected


def test_it_samples_as_with_the_rewritten_prompt(pipe: StableDiffusionPipeline) -> None:
    """The prompt arm; the empty arm is θ's own to the bit."""
    original = ruled(pipe, None)
    run = run_original(original, PROMPTS, SEEDS, (0, 2))
    expected, _ = hand_over(original, original, [rewritten(RULE, prompt) for prompt in PROMPTS], run.latents, ("prompt",))
    latents, plain = finished(pipe, RULE), finished(pipe, None)
    for k in (0, 2):
        assert torch.allclose(latents["prompt", k], expected["prompt", k], atol=1e-5)
        assert torch.equal(latents["empty", k], plain["empty", k])
        assert not torch.allclose(latents["prompt", k], plain["prompt", k], atol=1e-3)
