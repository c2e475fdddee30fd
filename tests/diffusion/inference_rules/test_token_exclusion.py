from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from diffusion.families.tiny import tiny_flux, tiny_xl
from diffusion.inference_rules.ruled import PROMPTS, embedded, finished, ruled
from unconceal.diffusion.families.flux import Flux
from unconceal.diffusion.families.stable_diffusion_xl import StableDiffusionXL
from unconceal.diffusion.inference_rules.token_exclusion import excluded_tokens, guidance
from unconceal.diffusion.model import Model
from unconceal.specs.inference_rule import TokenExclusion

RULE = TokenExclusion(rule="token-exclusion", words=("Star", "white background"))


def test_tokens_of_words_are_found(pipe: StableDiffusionPipeline) -> None:
    """The start token, "a red star on a white background": tokens 3, 6 and 7; in "star" token 1."""
    excluded = excluded_tokens(RULE, ruled(pipe, RULE), PROMPTS, 24)
    assert [row.nonzero().flatten().tolist() for row in excluded] == [[3, 6, 7], [], [1]]


def test_the_denoiser_sees_the_empty_prompt_at_their_places(pipe: StableDiffusionPipeline) -> None:
    model = ruled(pipe, RULE)
    embeds = guidance(RULE, model, PROMPTS, model.encode_prompts(PROMPTS)).prompt.prompt_embeds
    for row, prompt in enumerate(PROMPTS):
        for token in range(embeds.shape[1]):
            source = "" if token in ([3, 6, 7], [], [1])[row] else prompt
            assert torch.allclose(embeds[row, token], embedded(pipe, source)[0, token], atol=1e-5)


def test_the_empty_arm_and_prompts_without_the_words_stay(pipe: StableDiffusionPipeline) -> None:
    latents, plain = finished(pipe, RULE), finished(pipe, None)
    assert all(torch.equal(latents["empty", k], plain["empty", k]) for k in (0, 2))
    assert torch.allclose(latents["prompt", 0][1], plain["prompt", 0][1], atol=1e-4)
    assert not torch.allclose(latents["prompt", 0][0], plain["prompt", 0][0], atol=1e-3)


@pytest.mark.parametrize("family", ["xl", "flux"])
def test_other_families(tmp_path: Path, family: str) -> None:
    model: Model
    if family == "xl":
        model = StableDiffusionXL(tiny_xl(tmp_path, 0), 3, 5.0, rule=RULE)
    else:
        model = Flux(tiny_flux(tmp_path, 0), 3, 3.5, rule=RULE)
    embeddings = model.encode_prompts(PROMPTS)
    changed = (guidance(RULE, model, PROMPTS, embeddings).prompt.prompt_embeds != embeddings.prompt.prompt_embeds).any(-1)
    assert changed.any(1).tolist() == [True, False, True]
