"""Low-rank updates W + s · up · down, merged into the base's weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict
from unconceal.errors import CheckFailed


@dataclass(frozen=True)
class LowRank:
    """``down`` (r, in, …), ``up`` (out, r, …) and the scale s. Convolutions have two more dimensions, the kernel's."""

    down: Tensor
    up: Tensor
    scale: float

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """s · up · down in the shape of the weight it is added to, float32."""
        down, up = self.down.float(), self.up.float()
        if down.ndim == 4 and down.shape[2:] != (1, 1):
            # A convolution followed by a 1 × 1 convolution is one convolution.
            product = functional.conv2d(down.permute(1, 0, 2, 3), up.reshape(up.shape[0], -1, 1, 1)).permute(1, 0, 2, 3)
        else:
            product = up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
        return self.scale * product.reshape(shape)


Updates = dict[str, LowRank]
"""Updates of a component, by module name."""


def modules_by_flat_name(base: nn.Module) -> dict[str, str]:
    """Linear layers and convolutions of a component, by name with underscores for dots, as kohya's trainer writes it."""
    return {name.replace(".", "_"): name for name, module in base.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}


def check_updates(component: str, base: nn.Module, updates: Mapping[str, LowRank], source: str) -> None:
    """Check updates against the base.

    Raises:
        CheckFailed: a module does not exist, a shape differs, or a weight is not finite.
    """
    layers = dict(base.named_modules())
    for name, update in updates.items():
        layer = layers.get(name)
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            consequence = f"updates {component} {name!r}, which is no layer of the base, so it is for another architecture"
            raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
        shape = tuple(layer.weight.shape)
        rank, product_shape = update.down.shape[0], (update.up.shape[0], update.down.shape[1], *update.down.shape[2:])
        fits = product_shape == shape or (*product_shape, 1, 1) == shape or (*shape, 1, 1) == product_shape
        if not fits or update.up.shape[1] != rank or update.up.shape[2:] not in ((), (1, 1)):
            consequence = f"updates {component} {name!r} of shape {shape} by {tuple(update.up.shape)} times {tuple(update.down.shape)}"
            raise CheckFailed("checkpoint.wrong-shape", source, f"{consequence}, so it is for another architecture", ELSEWHERE)
        if not (update.down.isfinite().all() and update.up.isfinite().all()):
            raise CheckFailed(
                "checkpoint.not-finite", source, f"holds NaN or infinite weights in {component} {name!r}", "export the weights again"
            )


@torch.no_grad()
def merged(base: Base, updates: Mapping[str, Updates], source: str) -> dict[str, StateDict]:
    """Updated weights of the base, by component.

    Raises:
        CheckFailed: as :func:`check_updates`, or the base lacks a component.
    """
    absent = [component for component in updates if component not in base]
    if absent:
        raise CheckFailed("checkpoint.unknown-component", source, f"updates {absent[0]}, which the base does not have", ELSEWHERE)
    parts: dict[str, StateDict] = {}
    for component, component_updates in updates.items():
        check_updates(component, base[component], component_updates, source)
        weights = base[component].state_dict()
        for name, update in component_updates.items():
            weight = weights[f"{name}.weight"]
            added = weight.float() + update.product(tuple(weight.shape)).to(weight.device)
            parts.setdefault(component, {})[f"{name}.weight"] = added.to(weight.dtype)
    return parts


def low_rank_updates(
    halves: Iterable[tuple[str, str, Tensor]], alphas: Mapping[str, float], source: str, default: float | None = None
) -> Updates:
    """Pair the factors of low-rank updates; s = α / r.

    Args:
        halves: (module, "down" or "up", tensor).
        alphas: α by module.
        source: file name for error messages.
        default: α of modules without one; None: r.

    Raises:
        CheckFailed: a factor is missing or has an unsupported number of dimensions.
    """
    factors: dict[str, dict[str, Tensor]] = {}
    for module, half, tensor in halves:
        if tensor.ndim not in (2, 4):
            raise CheckFailed(
                "lora.unsupported-update", source, f"has an update of {module!r} with {tensor.ndim} dimensions", "export the LoRA again"
            )
        factors.setdefault(module, {})[half] = tensor
    incomplete = [module for module, pair in factors.items() if len(pair) < 2]
    if incomplete:
        raise CheckFailed(
            "lora.incomplete",
            source,
            f"has only one half of the update of {incomplete[0]!r}, so it updates nothing",
            "export the LoRA again",
        )
    return {
        module: LowRank(pair["down"], pair["up"], alphas.get(module, default or pair["down"].shape[0]) / pair["down"].shape[0])
        for module, pair in factors.items()
    }
