"""Noise in the place of weights: what a destroyed denoiser holds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

DEVIATIONS = 6.0
"""Noise as wide as the weights only breaks the prompt's hold (measured: handed-over stars are finished); six times as wide
drowns what the convolutions carry as well."""


def noise_weights(denoiser: nn.Module, seed: int, chosen: Callable[[str, Tensor], bool]) -> dict[str, Tensor]:
    """What replaces the chosen weights, by name: float32 noise of each tensor's mean, ``DEVIATIONS`` times as wide."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor.float().mean().cpu()
        + DEVIATIONS * tensor.float().std(correction=0).cpu() * torch.randn(tensor.shape, generator=generator)
        for name, tensor in denoiser.state_dict().items()
        if chosen(name, tensor)
    }
