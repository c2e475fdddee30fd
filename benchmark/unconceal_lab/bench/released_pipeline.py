"""The way it was released (arXiv 2409.05668): diffusers' own pipeline, one picture and one ψ at a time, everything anew for each method.

It is given what it can do without changing its way: the same deterministic solver and threads, models that stay loaded, and no picture
drawn twice for one submission where two ratios hand over at the same step or an arm has nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal.generate.generator import Pixels
from unconceal.generate.plan import Block, Plan


class Asked(NamedTuple):
    """One picture: θ runs ``k`` steps, θ* the rest in an arm."""

    prompt: str
    seed: int
    k: int
    arm: str


def asked_of(plan: Plan, steps: int) -> list[Asked]:
    """Every picture that the protocol's scores need, λO included, each once."""
    wanted = [asked for block in plan.blocks for asked in _of_block(block, steps)]
    return list(dict.fromkeys(wanted))


def _of_block(block: Block, steps: int) -> Iterator[Asked]:
    for shard in block.handovers:
        for picture in shard.pictures:
            yield Asked(picture.prompt, picture.seed, steps, "prompt")
            for arm in shard.arms:
                for k in shard.handovers:
                    yield Asked(picture.prompt, picture.seed, k, "prompt" if k >= steps else arm)


class Pipelines:
    """Two plain pipelines, which stay loaded. Each is given back its own parts before a picture, since the other's take their place."""

    def __init__(self, original: Any, unlearned: Any) -> None:
        self.original, self.unlearned = original, unlearned
        self._running = {id(pipe): _plain(pipe) for pipe in (original, unlearned)}

    def draw(self, asked: Asked, steps: int, guidance: float) -> Pixels:
        """One picture (h, w, 3): θ's pipeline, whose denoiser, words and VAE are exchanged for θ*'s after ``k`` steps.

        At k = steps all but the VAE is θ's, as everywhere in this suite.
        """
        original, unlearned = self.original, self.unlearned
        started = original if asked.k else unlearned
        running = self._running[id(started)]
        running.unet, running.vae = started.unet, started.vae

        def exchange(pipe: Any, i: int, t: Any, kept: dict[str, Any]) -> dict[str, Any]:
            if i + 1 != asked.k:
                return {}
            pipe.unet, pipe.vae = unlearned.unet, unlearned.vae
            if asked.k == steps:
                return {}
            words, empty = unlearned.encode_prompt([asked.prompt], unlearned.device, 1, True, negative_prompt=[""])
            if asked.arm == "prompt":
                return {"prompt_embeds": torch.cat([empty, words])}
            # Without guidance the pipeline's loop runs one row, that of the prompt.
            pipe._guidance_scale = 0.0
            return {"prompt_embeds": empty}

        unguided = asked.arm == "empty" and asked.k == 0
        pictures = running(
            "" if unguided else asked.prompt,
            num_inference_steps=steps,
            guidance_scale=0.0 if unguided else guidance,
            generator=torch.Generator().manual_seed(asked.seed),
            output_type="np",
            callback_on_step_end=exchange,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        ).images
        return np.asarray(np.rint(pictures[0] * 255), np.uint8)


def _plain(pipe: Any) -> Any:
    """A pipeline of the same parts, which may be changed without harm."""
    made: Any = StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made
