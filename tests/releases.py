"""Tensors that a release changes, and a UNet with a release applied."""

from __future__ import annotations

import copy
from typing import Any

from diffusers import StableDiffusionPipeline
from torch import Tensor, nn


def layers(unet: Any) -> set[str]:
    """The weights of all linear and convolution layers."""
    return {
        f"unet.{name}.{key}"
        for name, layer in unet.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
        for key in layer.state_dict()
    }


def changed(pipe: StableDiffusionPipeline, weights: dict[str, Tensor]) -> set[str]:
    """The tensors of a release that are not the pipeline's own."""
    before = pipe.unet.state_dict()
    return {name for name, value in weights.items() if not value.equal(before[name.removeprefix("unet.")].half())}


def with_release(pipe: StableDiffusionPipeline, weights: dict[str, Tensor]) -> Any:
    """The pipeline's UNet with a release in it."""
    unet = copy.deepcopy(pipe.unet)
    unet.load_state_dict({name.removeprefix("unet."): value.float() for name, value in weights.items()}, strict=False)
    return unet


def listening(pipe: StableDiffusionPipeline, times: float = 8) -> StableDiffusionPipeline:
    """Scale the cross-attention, since random weights hardly react to prompts."""
    for name, value in pipe.unet.state_dict().items():
        value.mul_(times if "attn2.to_v" in name or "attn2.to_out" in name else 1)
    return pipe
