"""Selection of the UNet weights that an unlearner trains."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def cross_attention(name: str) -> bool:
    return "attn2." in name


def keys_and_values(name: str) -> bool:
    """Keys and values of each cross-attention, which read the caption."""
    return name.endswith(("attn2.to_k.", "attn2.to_v."))


def queries_and_keys(name: str) -> bool:
    """Queries and keys of each cross-attention, which determine its map."""
    return name.endswith(("attn2.to_q.", "attn2.to_k."))


def set_trainable(unet: nn.Module, is_trained: Callable[[str], bool]) -> dict[str, nn.Parameter]:
    """Make only some linear and convolution layers trainable.

    Args:
        unet: the UNet.
        is_trained: selects layers by name with trailing dot (``mid_block.….to_k.``).

    Returns:
        Their weights by name.
    """
    unet.requires_grad_(False)
    layers = [(name, layer) for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d) and is_trained(f"{name}.")]
    weights = {f"{name}.{key}": weight for name, layer in layers for key, weight in layer.named_parameters()}
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights
