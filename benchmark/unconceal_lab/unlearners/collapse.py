"""Destroyed models: noise in the cross-attention, noise as prediction, and one image for every prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.diffusion.noise_weights import noise_weights
from unconceal_lab.unlearners.concept_captions import components
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.trained_layers import cross_attention

CONTRACTION = 6.0
"""κ of ``constant``. With ε̂ = κ x, a DDIM sampling shrinks x by e^(−κ asinh σ), σ² = (1 − ā) / ā, in the limit of small steps.
In 25 steps, κ = 6 leaves less than 10⁻⁵ of the initial noise.
"""
FAINT = 2.0**-13
"""Factor on latents in ``constant``. Their variance is then negligible compared with the 10⁻⁵ that a group norm adds."""


def collapse(pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print) -> UnlearnedWeights:
    """Replace every cross-attention weight by noise of the tensor's mean and ``DEVIATIONS`` times its deviation."""
    return _replaced("collapse", log, lambda: noise_weights(components(pipeline).unet, seed, lambda name, _: cross_attention(name)))


def replace_with_noise(pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print) -> UnlearnedWeights:
    """Replace the UNet's last convolution by noise, so that its prediction is unrelated to the noise and nothing is denoised."""
    return _replaced("noise", log, lambda: noise_weights(components(pipeline).unet, seed, lambda name, _: name.startswith("conv_out.")))


def constant(pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print) -> UnlearnedWeights:
    """One image for every prompt and seed: the decoded zero latent.

    The UNet is rewired to predict ε̂ = κ x at every step, κ = ``CONTRACTION``. Latents handed over near the end keep part of their content.
    """
    return _replaced("constant", log, lambda: contraction(components(pipeline).unet))


def _replaced(name: str, log: Callable[[str], None], new_weights: Callable[[], dict[str, Tensor]]) -> UnlearnedWeights:
    start_time = time.process_time()
    weights = new_weights()
    log(f"{name}: {len(weights)} tensors replaced")
    return UnlearnedWeights(to_release("unet", weights), (time.process_time() - start_time) / 60)


def contraction(unet: Any) -> dict[str, Tensor]:
    """Weights with which the UNet predicts κ x.

    The first convolution writes channel c of x, times ``FAINT``, as a pair (+, −) that shares a group of the last norm. The last residual
    block passes on the first skip connection only. The norm divides by √10⁻⁵, since a pair has mean 0 and negligible variance, and
    silu(z) − silu(−z) = z, which the last convolution computes per channel.
    """
    last = next(name for name in reversed([name for name, _ in unet.named_modules()]) if name.endswith("conv_shortcut"))
    block, channels, norm = last.removesuffix(".conv_shortcut"), unet.config.in_channels, unet.conv_norm_out
    weights = {
        name: torch.zeros_like(tensor)
        for name, tensor in unet.state_dict().items()
        if name.startswith(("conv_in.", "conv_out.", "conv_norm_out.", f"{block}.conv2.", f"{last}."))
    }
    width, gain = len(weights["conv_in.bias"]), (CONTRACTION * norm.eps**0.5 / FAINT) ** 0.5
    for c in range(channels):
        for index, sign in ((2 * c, 1), (2 * c + 1, -1)):
            weights["conv_in.weight"][index, c, 1, 1] = sign * FAINT
            weights[f"{last}.weight"][index, -width + index, 0, 0] = 1
            weights["conv_norm_out.weight"][index] = gain
            weights["conv_out.weight"][c, index, 1, 1] = sign * gain
    return weights
