"""Which of a UNet's weights a method trains."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def cross_attention(name: str) -> bool:
    return "attn2." in name


def keys_and_values(name: str) -> bool:
    """The two matrices of each cross-attention that read the caption."""
    return name.endswith(("attn2.to_k.", "attn2.to_v."))


def queries_and_keys(name: str) -> bool:
    """The two matrices of each cross-attention that its map depends on."""
    return name.endswith(("attn2.to_q.", "attn2.to_k."))


def trainable(unet: nn.Module, chosen: Callable[[str], bool]) -> dict[str, nn.Parameter]:
    """The weights of the linear and convolution layers ``chosen`` by name (``mid_block.….to_k.``), by their own names.

    Only they will train; norms never do.
    """
    unet.requires_grad_(False)
    layers = [(name, layer) for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d) and chosen(f"{name}.")]
    weights = {f"{name}.{key}": weight for name, layer in layers for key, weight in layer.named_parameters()}
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights
