"""Floating point operations of one forward pass, counted by torch on tensors without data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

TOKENS = 77


def denoiser_flops(config: Mapping[str, Any], side: int, tokens: int = TOKENS) -> float:
    """Floating point operations of one forward pass of a UNet.

    Args:
        config: the UNet's config.
        side: height and width of the latents.
        tokens: length of the prompt embeddings.

    Returns:
        Operations; a multiply and an add count as two.
    """
    return _flops(hashable_config(config), side, tokens)


@lru_cache(maxsize=8)
def _flops(config: tuple[tuple[str, Any], ...], side: int, tokens: int) -> float:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(config))
        x, prompt_embeds = torch.zeros(1, unet.config.in_channels, side, side), torch.zeros(1, tokens, unet.config.cross_attention_dim)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            unet(x, torch.zeros((), dtype=torch.int64), prompt_embeds)
    return float(counter.get_total_flops())


def hashable_config(config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """A model's config as a hashable value, for caches."""
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in config.items() if key[:1] != "_"))
