"""Pairs (θ, θ*) of random weights that hear their prompts, and the handover done the slow and obvious way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from pipelines import tiny_pipeline
from unconceal.diffusion.families.stable_diffusion import StableDiffusion

STEPS, GUIDANCE = 6, 5.0


def listening(pipe: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """Random weights hardly hear words: louder cross-attention."""
    with torch.no_grad():
        for name, value in pipe.unet.named_parameters():
            value.mul_(8 if "attn2.to_v" in name or "attn2.to_out" in name else 1)
    return pipe


def exchanged(original: StableDiffusionPipeline, other: StableDiffusionPipeline, part: str) -> StableDiffusionPipeline:
    """θ with one part of another model: ``unet``, ``text_encoder``, or ``decoder`` (of the VAE)."""
    parts = dict(original.components)
    if part == "decoder":
        parts["vae"] = copy.deepcopy(original.vae)
        parts["vae"].decoder = other.vae.decoder
    else:
        parts[part] = getattr(other, part)
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)


def trio(folder: Path) -> dict[str, StableDiffusionPipeline]:
    """``original``, and by the part that differs: ``unet``, ``text_encoder``, ``decoder``."""
    original, other = (listening(tiny_pipeline(folder / str(seed), seed)) for seed in (0, 1))
    return {"original": original} | {part: exchanged(original, other, part) for part in ("unet", "text_encoder", "decoder")}


def model(pipe: StableDiffusionPipeline) -> StableDiffusion:
    return StableDiffusion(pipe, STEPS, GUIDANCE)


def plain(pipe: StableDiffusionPipeline, **changes: Any) -> StableDiffusionPipeline:
    """A pipeline of the same parts, which may be changed without harm."""
    built = StableDiffusionPipeline(**{**pipe.components, **changes}, requires_safety_checker=False)
    built.set_progress_bar_config(disable=True)
    return built


def slowly(
    original: StableDiffusionPipeline,
    unlearned: StableDiffusionPipeline,
    prompt: str,
    seed: int,
    k: int,
    arm: str,
    scheduler: Any = None,
) -> NDArray[np.float32]:
    """One picture in [0, 1] (64, 64, 3) by diffusers' own pipeline; UNet and words are exchanged after ``k`` steps, the VAE stays θ's.

    ``scheduler``: another than the pipelines' own; one that remembers forgets at the exchange.
    """
    changes = {} if scheduler is None else {"scheduler": scheduler}
    words, own_empty = unlearned.encode_prompt([prompt], "cpu", 1, True, negative_prompt=[""])
    empty = original.encode_prompt([""], "cpu", 1, False)[0] if arm == "empty" else own_empty

    def exchange(running: Any, i: int, t: Any, kept: dict[str, Any]) -> dict[str, Any]:
        if i + 1 != k:
            return {}
        running.unet = unlearned.unet
        if hasattr(running.scheduler, "lower_order_nums"):
            running.scheduler.lower_order_nums = 0
        if arm == "prompt":
            return {"prompt_embeds": torch.cat([own_empty, words])}
        # Without guidance the pipeline's loop runs one row, that of the prompt.
        running._guidance_scale = 0.0
        return {"prompt_embeds": empty}

    first = plain(original, **changes) if k else plain(unlearned, vae=original.vae, **changes)
    unguided = arm != "prompt" and k == 0
    pictures = first(
        **({"prompt_embeds": empty} if unguided else {"prompt": prompt}),
        num_inference_steps=STEPS,
        guidance_scale=0.0 if unguided else GUIDANCE,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        callback_on_step_end=exchange,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
    ).images
    picture: NDArray[np.float32] = pictures[0]
    return picture
