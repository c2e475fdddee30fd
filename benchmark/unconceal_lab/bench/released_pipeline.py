"""The released evaluation (arXiv 2409.05668): diffusers' own pipeline, one image and one ψ at a time, nothing shared between submissions.

It runs with the same deterministic solver and threads, its models stay loaded, and no image is generated twice for one submission where two
ratios hand over at the same step or an arm has no steps left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from unconceal.generate.generator import Pixels
from unconceal.generate.plan import Block, Plan


class ImageRequest(NamedTuple):
    """One image: θ runs the first ``k`` steps, θ* the others in an arm."""

    prompt: str
    seed: int
    k: int
    arm: str


def image_requests(plan: Plan, steps: int) -> list[ImageRequest]:
    """Every image that the protocol's scores need, λO included, once each."""
    return list(dict.fromkeys(request for block in plan.blocks for request in _block_requests(block, steps)))


def _block_requests(block: Block, steps: int) -> Iterator[ImageRequest]:
    for shard in block.handovers:
        for image in shard.images:
            yield ImageRequest(image.prompt, image.seed, steps, "prompt")
            for arm in shard.arms:
                for k in shard.handovers:
                    yield ImageRequest(image.prompt, image.seed, k, "prompt" if k >= steps else arm)


class ReleasedPipelines:
    """Two diffusers pipelines that stay loaded; components are swapped at the handover and restored before each image."""

    def __init__(self, original: Any, unlearned: Any) -> None:
        self.original, self.unlearned = original, unlearned
        self._copies = {id(pipeline): _copy(pipeline) for pipeline in (original, unlearned)}

    def generate(self, request: ImageRequest, steps: int, guidance_scale: float) -> Pixels:
        """Generate one image (h, w, 3): after ``k`` steps θ's denoiser, prompt embeddings and VAE are replaced by those of θ*.

        At k = steps only the VAE is replaced, as everywhere in this suite.
        """
        original, unlearned = self.original, self.unlearned
        first = original if request.k else unlearned
        pipeline = self._copies[id(first)]
        pipeline.unet, pipeline.vae = first.unet, first.vae

        def hand_over(running: Any, i: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if i + 1 != request.k:
                return {}
            running.unet, running.vae = unlearned.unet, unlearned.vae
            if request.k == steps:
                return {}
            prompt_embeds, empty_embeds = unlearned.encode_prompt([request.prompt], unlearned.device, 1, True, negative_prompt=[""])
            if request.arm == "prompt":
                return {"prompt_embeds": torch.cat([empty_embeds, prompt_embeds])}
            # Without guidance the pipeline's loop runs one forward pass, that of the prompt.
            running._guidance_scale = 0.0
            return {"prompt_embeds": empty_embeds}

        unguided = request.arm == "empty" and request.k == 0
        images = pipeline(
            "" if unguided else request.prompt,
            num_inference_steps=steps,
            guidance_scale=0.0 if unguided else guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="np",
            callback_on_step_end=hand_over,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        ).images
        return np.asarray(np.rint(images[0] * 255), np.uint8)


def _copy(pipeline: Any) -> Any:
    """A pipeline of the same components whose attributes may be reassigned."""
    copy: Any = StableDiffusionPipeline(**pipeline.components, requires_safety_checker=False)
    copy.set_progress_bar_config(disable=True)
    return copy
