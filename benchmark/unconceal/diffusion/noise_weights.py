"""Noise in place of weights: a destroyed denoiser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

DEVIATIONS = 6.0
"""Standard deviation of the noise in units of the weights'. At 1 the model ignores the prompt but still completes handed-over images
(measured); at 6 it completes nothing."""


def noise_weights(denoiser: nn.Module, seed: int, selected: Callable[[str, Tensor], bool]) -> dict[str, Tensor]:
    """Noise for the selected weights of a denoiser.

    Args:
        denoiser: the module to destroy.
        seed: of the noise.
        selected: whether a tensor, by name and value, is replaced.

    Returns:
        By name, float32 noise with each tensor's mean and ``DEVIATIONS`` times its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor.float().mean().cpu()
        + DEVIATIONS * tensor.float().std(correction=0).cpu() * torch.randn(tensor.shape, generator=generator)
        for name, tensor in denoiser.state_dict().items()
        if selected(name, tensor)
    }
