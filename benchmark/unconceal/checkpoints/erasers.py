"""Receler's erasers in a UNet: behind every cross-attention of a block acts ``x + up(GELU(down(x)))`` (arXiv 2311.17717)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from unconceal.checkpoints.key_names import ELSEWHERE, StateDict
from unconceal.checkpoints.verify import relative, squared
from unconceal.checkpoints.weights_file import check_floating
from unconceal.errors import CheckFailed
from unconceal.specs.record import ComponentRecord

ERASER, CROSS_ATTENTION = "eraser", "attn2"


class Eraser(nn.Module):
    """A bottleneck of width r beside an attention's output of width d."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        rank, width = state["down.weight"].shape
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, width)
        self.load_state_dict(state)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, d) to (…, d)."""
        erased: Tensor = self.up(nn.functional.gelu(self.down(hidden)))
        return erased


def with_erasers(unet: nn.Module, erasers: Mapping[str, StateDict], source: str) -> tuple[nn.Module, ComponentRecord]:
    """A copy of a UNet with erasers, which shares its weights, and the erasers' entry in the record.

    Raises:
        CheckFailed: a block does not exist, a shape differs, or a weight is not finite.
    """
    new = copy.deepcopy(unet, {id(tensor): tensor for tensor in chain(unet.parameters(), unet.buffers())})
    module_names = [name for name, _ in new.named_modules() if name.endswith(f".{CROSS_ATTENTION}")]
    for block, state in erasers.items():
        attentions = [name for name in module_names if name.startswith(f"{block}.")]
        if not attentions:
            consequence = f"has an eraser of {block!r}, where the base has no cross-attention, so it is for another architecture"
            raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
        for name in attentions:
            attention: Any = new.get_submodule(name)
            width = attention.to_out[0].weight.shape[0]
            _check(block, state, width, source)
            own = attention.to_out[0].weight
            attention.add_module(ERASER, Eraser(state).requires_grad_(False).to(own.device, own.dtype))
            attention.register_forward_hook(_add_eraser)
    base = unet.state_dict()
    ups = [squared(state["up.weight"]) + squared(state["up.bias"]) for state in erasers.values()]
    lengths = [sum(map(squared, state.values())) for state in erasers.values()]
    n_tensors = sum(map(len, erasers.values()))
    changed = sum(4 for up in ups if up > 0)
    return new, ComponentRecord(
        matched=n_tensors, missing=len(base), unexpected=0, changed=changed, relative_change=relative(lengths, base) if changed else 0.0
    )


def _add_eraser(attention: Any, inputs: Any, output: Tensor) -> Tensor:
    """A hook that finds the eraser in its own module, so that copies of the UNet use their own."""
    added: Tensor = attention.eraser(output)
    return added + output


def _check(block: str, state: StateDict, width: int, source: str) -> None:
    down = state["down.weight"]
    rank = down.shape[0] if down.ndim == 2 else 0
    shapes = {"down.weight": (rank, width), "down.bias": (rank,), "up.weight": (width, rank), "up.bias": (width,)}
    wrong = next((name for name, shape in shapes.items() if tuple(state[name].shape) != shape or not rank), None)
    if wrong:
        consequence = f"has an eraser of {block!r} whose {wrong} has shape {tuple(state[wrong].shape)} beside an attention of width {width}"
        raise CheckFailed("checkpoint.wrong-shape", source, f"{consequence}, so it is for another architecture", ELSEWHERE)
    check_floating(state.values(), f"the eraser of {block!r}", source)
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        consequence = f"holds NaN or infinite numbers in the eraser of {block!r}"
        raise CheckFailed("checkpoint.not-finite", source, consequence, "export the weights again")
