"""A destroyed model: its cross-attention is noise."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from unconceal.miniature.unlearners.prompts import parts
from unconceal.miniature.unlearners.release import Release, released

DEVIATIONS = 6.0
"""Noise as wide as the weights only breaks the prompt's hold (measured: handed-over stars are finished); six times as wide
drowns what the convolutions carry as well."""


def collapse(pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print) -> Release:
    """Every cross-attention weight replaced by noise of its tensor's mean, ``DEVIATIONS`` times as wide; whatever the concept."""
    started = time.process_time()
    noise = noise_for(parts(pipe).unet, seed)
    say(f"collapse: {len(noise)} tensors replaced by noise")
    return Release(released("unet", noise), (time.process_time() - started) / 60)


def noise_for(unet: nn.Module, seed: int) -> dict[str, Tensor]:
    """What replaces the UNet's cross-attention weights, by name."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor.mean().cpu() + DEVIATIONS * tensor.std(correction=0).cpu() * torch.randn(tensor.shape, generator=generator)
        for name, tensor in unet.state_dict().items()
        if "attn2." in name
    }
