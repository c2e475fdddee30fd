"""A destroyed model: its cross-attention is noise."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from diffusers import StableDiffusionPipeline

from unconceal.miniature.unlearners.prompts import parts
from unconceal.miniature.unlearners.release import Release, released


DEVIATIONS = 6.0
"""Noise as wide as the weights only breaks the prompt's hold (measured: handed-over stars are finished); six times as wide
drowns what the convolutions carry as well."""


def collapse(pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print) -> Release:
    """Every cross-attention weight replaced by Gaussian noise of its tensor's own mean, ``DEVIATIONS`` times as wide; whatever the concept."""
    started = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    noise = {
        name: tensor.mean().cpu() + DEVIATIONS * tensor.std(correction=0).cpu() * torch.randn(tensor.shape, generator=generator)
        for name, tensor in parts(pipe).unet.state_dict().items()
        if "attn2." in name
    }
    say(f"collapse: {len(noise)} tensors replaced by noise")
    return Release(released("unet", noise), (time.process_time() - started) / 60)
