"""Low-rank updates W + B A of linear layers, trained in place of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRankUpdate(nn.Module):
    """W ↦ W + B A with A (r, in) and B (out, r); B starts at zero."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1], generator=generator) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def add_updates(unet: nn.Module, is_trained: Callable[[str], bool], rank: int, generator: torch.Generator) -> dict[str, LowRankUpdate]:
    """Freeze a UNet and give linear layers, selected by name with trailing dot, a trainable update; returned by layer name."""
    unet.requires_grad_(False)
    layers = {name: layer for name, layer in unet.named_modules() if isinstance(layer, nn.Linear) and is_trained(f"{name}.")}
    updates = {name: LowRankUpdate(layer.weight, rank, generator) for name, layer in layers.items()}
    for name, layer in layers.items():
        parametrize.register_parametrization(layer, "weight", updates[name])
    return updates


def to_lora(component: str, updates: Mapping[str, LowRankUpdate]) -> dict[str, Tensor]:
    """A LoRA file's tensors under diffusers' keys, float16; the scale is 1."""
    halves: dict[str, Any] = {}
    for name, update in updates.items():
        halves |= {f"{component}.{name}.lora_A.weight": update.down, f"{component}.{name}.lora_B.weight": update.up}
    return {name: tensor.detach().half().contiguous() for name, tensor in halves.items()}
