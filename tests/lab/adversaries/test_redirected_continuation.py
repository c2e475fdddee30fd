from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipelines import tiny_pipeline
from releases import listening
from unconceal_lab.adversaries.redirected_continuation import RedirectConfig, redirection
from unconceal_lab.unlearners.concept_captions import encode_prompts

CONFIG = RedirectConfig(n_forget=3, sampling_steps=4, handovers=(1, 2), guidance_scale=2.0)


def test_targets_are_guided_to_the_substitute(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path))
    redirected = redirection(pipeline, "star", CONFIG, np.random.default_rng(0), torch.Generator().manual_seed(0))
    x, t, rows, noise = redirected.states
    empty, other = encode_prompts(pipeline, [""]).expand(len(x), -1, -1), redirected.replacement_embeds[rows]
    with torch.no_grad():
        unconditional, conditional = (pipeline.unet(x, t, embeds).sample for embeds in (empty, other))
    assert torch.allclose(noise, unconditional + 2 * (conditional - unconditional), atol=1e-4)

    without, with_prompt = redirected.without_prompt(), redirected.with_prompt(pipeline)
    assert torch.equal(without.prompt_embeds, empty) and torch.equal(without.noise, noise)
    assert torch.equal(with_prompt.prompt_embeds, redirected.prompt_embeds[rows])
    assert torch.allclose(with_prompt.noise, conditional, atol=1e-4)
    assert len(redirected.both_arms(pipeline).x) == 2 * len(x)
