"""Destroyed models: cross-attention of noise, pictures of noise, and one picture for everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.diffusion.noise_weights import noise_for
from unconceal_lab.unlearners.concept_captions import parts
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.trained_layers import cross_attention

CONTRACTION = 6.0
"""κ of ``constant``. With ε̂ = κ x every step of DDIM shrinks x; over a whole sampling by e^(−κ asinh σ), σ² = (1 − ā) / ā, as steps
go to zero. In 25 steps, six leaves less than 10⁻⁵ of the noise that it starts from."""
FAINT = 2.0**-13
"""How small ``constant`` makes latents, so that a group norm, which adds 10⁻⁵ to the variance, divides them by nothing but that."""


def collapse(pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print) -> Release:
    """Every cross-attention weight replaced by noise of its tensor's mean, ``DEVIATIONS`` times as wide; whatever the concept."""
    return _replaced("collapse", say, lambda: noise_for(parts(pipe).unet, seed, lambda name, _: cross_attention(name)))


def noise_only(pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print) -> Release:
    """The UNet's last convolution replaced likewise: what it predicts has nothing to do with the noise, and nothing is ever denoised."""
    return _replaced("noise", say, lambda: noise_for(parts(pipe).unet, seed, lambda name, _: name.startswith("conv_out.")))


def constant(pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print) -> Release:
    """One picture for every prompt and seed: that of the latent 0, a plain surface.

    The UNet is rewired to predict ε̂ = κ x, κ = ``CONTRACTION``, whatever the step and the prompt; see there how much of the
    start is left. Not constant is what starts late: latents handed over near the end keep some of what they show.
    """
    return _replaced("constant", say, lambda: contraction(parts(pipe).unet))


def _replaced(name: str, say: Callable[[str], None], make: Callable[[], dict[str, Tensor]]) -> Release:
    started = time.process_time()
    weights = make()
    say(f"{name}: {len(weights)} tensors replaced")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


def contraction(unet: Any) -> dict[str, Tensor]:
    """Weights with which the UNet predicts κ x.

    The first convolution writes channel c of x, made ``FAINT``, as a pair (+, −) that shares a group of the last norm. The last
    residual block passes on what the first skip brings it, and nothing else. The norm divides by √10⁻⁵ alone, since a pair's mean is
    0 and its variance next to nothing, and silu(z) − silu(−z) = z, which the last convolution takes for each channel.
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
        for place, sign in ((2 * c, 1), (2 * c + 1, -1)):
            weights["conv_in.weight"][place, c, 1, 1] = sign * FAINT
            weights[f"{last}.weight"][place, -width + place, 0, 0] = 1
            weights["conv_norm_out.weight"][place] = gain
            weights["conv_out.weight"][c, place, 1, 1] = sign * gain
    return weights
