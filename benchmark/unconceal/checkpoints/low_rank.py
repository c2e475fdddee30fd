"""Updates of the base's weights by products of small matrices: W + s · up · down (LoRA), LoHa, LoKr, and each with DoRA's magnitudes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from peft.tuners import loha, lokr
from torch import Tensor, nn
from torch.nn import functional

from unconceal.checkpoints.key_names import ELSEWHERE, StateDict
from unconceal.checkpoints.weights_file import check_floating, shortened
from unconceal.errors import CheckFailed


class Update(Protocol):
    """What is added to one weight."""

    @property
    def factors(self) -> tuple[Tensor, ...]:
        """The released tensors."""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the product has as many elements as a weight of that shape, and the factors fit together."""

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """The update in the shape of the weight it is added to, float32."""


LOHA: Any = loha.layer
LOKR: Any = lokr.layer
"""PEFT's functions have no types."""


@dataclass(frozen=True)
class LowRank:
    """``down`` (r, in, …), ``up`` (out, r, …) and the scale s. Convolutions have two more dimensions, the kernel's."""

    down: Tensor
    up: Tensor
    scale: float

    @property
    def factors(self) -> tuple[Tensor, ...]:
        return self.down, self.up

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether up · down is a weight of that shape."""
        if any(factor.ndim not in (2, 4) for factor in self.factors):
            return False
        rank, product_shape = self.down.shape[0], (self.up.shape[0], self.down.shape[1], *self.down.shape[2:])
        same = product_shape == shape or (*product_shape, 1, 1) == shape or (*shape, 1, 1) == product_shape
        return same and self.up.shape[1] == rank and self.up.shape[2:] in ((), (1, 1))

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """s · up · down in the shape of the weight it is added to, float32."""
        down, up = self.down.float(), self.up.float()
        if down.ndim == 4 and down.shape[2:] != (1, 1):
            # A convolution followed by a 1 × 1 convolution is one convolution.
            product = functional.conv2d(down.permute(1, 0, 2, 3), up.reshape(up.shape[0], -1, 1, 1)).permute(1, 0, 2, 3)
        else:
            product = up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
        return self.scale * product.reshape(shape)


@dataclass(frozen=True)
class Hadamard:
    """LoHa: s · (w1_a w1_b) ⊙ (w2_a w2_b). ``cores``: of kernels in Tucker form, empty otherwise."""

    first: tuple[Tensor, Tensor]
    second: tuple[Tensor, Tensor]
    cores: tuple[Tensor, ...]
    scale: float

    @property
    def factors(self) -> tuple[Tensor, ...]:
        return *self.first, *self.second, *self.cores

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the product is a weight of that shape."""
        (w1_a, w1_b), (w2_a, w2_b), numel = self.first, self.second, torch.Size(shape).numel()
        if any(factor.ndim != 2 for factor in (w1_a, w1_b, w2_a, w2_b)) or w1_a.shape != w2_a.shape or w1_b.shape != w2_b.shape:
            return False
        if not self.cores:
            return w1_a.shape[1] == w1_b.shape[0] and w1_a.shape[0] == shape[0] and w1_a.shape[0] * w1_b.shape[1] == numel
        kernels = all(core.shape == (w1_a.shape[0], w1_b.shape[0], *shape[2:]) for core in self.cores)
        return kernels and len(self.cores) == 2 and (w1_a.shape[1], w1_b.shape[1]) == tuple(shape[:2])

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """The update in the shape of the weight it is added to, float32, by PEFT's functions."""
        (w1_a, w1_b), (w2_a, w2_b) = ([factor.float() for factor in pair] for pair in (self.first, self.second))
        scale = torch.tensor(self.scale)
        if self.cores:
            t1, t2 = (core.float() for core in self.cores)
            product = LOHA.make_weight_cp(t1, w1_a, w1_b, t2, w2_a, w2_b, scale)
        else:
            product = LOHA.make_weight(w1_a, w1_b, w2_a, w2_b, scale)
        reshaped: Tensor = product.reshape(shape)
        return reshaped


@dataclass(frozen=True)
class Kronecker:
    """LoKr: s · w1 ⊗ w2. Each is one matrix or a product of two; ``core``: of w2's kernel in Tucker form."""

    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]
    core: Tensor | None
    scale: float

    @property
    def factors(self) -> tuple[Tensor, ...]:
        return *self.first, *self.second, *(() if self.core is None else (self.core,))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the product is a weight of that shape."""
        if any(factor.ndim not in (2, 4) for factor in self.factors) or not self._chained():
            return False
        numel = (self._numel(self.first), self._numel(self.second))
        kernel = 1 if self.core is None else self.core.shape[2:].numel()
        rows = self.first[0].shape[0] * (self.second[0].shape[0] if self.core is None else self.second[0].shape[1])
        kernels = [factor.shape[2:] for factor in self.factors if factor.ndim == 4]
        # A kernel of as many elements is another kernel.
        same = all(tuple(size) == tuple(shape[2:]) or (size.numel() == 1 and not shape[2:]) for size in kernels)
        return same and rows == shape[0] and numel[0] * numel[1] * kernel == torch.Size(shape).numel()

    def _chained(self) -> bool:
        """Whether factors of one matrix fit together."""
        pairs = [pair for pair in (self.first, self.second) if len(pair) == 2]
        if any(factor.ndim != 2 for pair in pairs for factor in pair) or self.first[0].ndim != 2:
            return False
        if self.core is None:
            return all(left.shape[1] == right.shape[0] for left, right in pairs)
        plain = [pair for pair in pairs if pair is not self.second]
        ranks = len(self.second) == 2 and self.core.shape[:2] == (self.second[0].shape[0], self.second[1].shape[0])
        return self.core.ndim == 4 and ranks and all(left.shape[1] == right.shape[0] for left, right in plain)

    def _numel(self, factors: tuple[Tensor, ...]) -> int:
        if len(factors) == 1:
            return factors[0].numel()
        left, right = factors
        return (left.shape[1] if factors is self.second and self.core is not None else left.shape[0]) * right.shape[1]

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """The update in the shape of the weight it is added to, float32, by PEFT's functions."""
        first, second = ([factor.float() for factor in factors] for factors in (self.first, self.second))
        w1 = first[0] if len(first) == 1 else first[0] @ first[1]
        plain = second[0] if len(second) == 1 or self.core is not None else second[0] @ second[1]
        w2 = plain if self.core is None else LOKR.make_weight_cp(self.core.float(), *second)
        product: Tensor = LOKR.make_kron(w1, w2, self.scale)
        return product.reshape(shape)


@dataclass(frozen=True)
class WithMagnitude:
    """DoRA: the updated weight is rescaled so that its rows (``along`` 0) or columns (1) have the lengths ``magnitude``."""

    update: Update
    magnitude: Tensor
    along: int = 0

    @property
    def factors(self) -> tuple[Tensor, ...]:
        return *self.update.factors, self.magnitude

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the update fits, and there is a length for each row or column."""
        return self.magnitude.numel() == shape[self.along] and self.update.fits(shape)

    def product(self, shape: tuple[int, ...]) -> Tensor:
        """The update without the rescaling."""
        return self.update.product(shape)

    def rescaled(self, weight: Tensor) -> Tensor:
        """The updated weight with the lengths of ``magnitude``."""
        others = [dimension for dimension in range(weight.ndim) if dimension != self.along]
        # In double precision: squares of absurd weights overflow in float32, and their rows would become 0.
        lengths = torch.linalg.vector_norm(weight, dim=others, keepdim=True, dtype=torch.float64)
        scales = self.magnitude.double().to(weight.device).reshape(lengths.shape) / lengths.clamp(min=torch.finfo().tiny)
        rescaled: Tensor = (weight * scales).float()
        return rescaled


Updates = dict[str, Update]
"""Updates of a component, by module name."""


def modules_by_flat_name(base: nn.Module) -> dict[str, str]:
    """Linear layers and convolutions of a component, by name with underscores for dots, as kohya's trainer writes it."""
    return {name.replace(".", "_"): name for name, module in base.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}


def check_updates(component: str, base: nn.Module, updates: Mapping[str, Update], source: str) -> None:
    """Check updates against the base.

    Raises:
        CheckFailed: a module does not exist, a shape differs, or a factor holds no or infinite weights.
    """
    layers = dict(base.named_modules())
    for name, update in updates.items():
        layer = layers.get(name)
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            consequence = f"updates {component} {name!r}, which is no layer of the base, so it is for another architecture"
            raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
        shape = tuple(layer.weight.shape)
        if not update.fits(shape):
            sizes = " and ".join(str(tuple(factor.shape)) for factor in update.factors)
            consequence = f"updates {component} {name!r} of shape {shape} by {shortened(sizes)}, so it is for another architecture"
            raise CheckFailed("checkpoint.wrong-shape", source, consequence, ELSEWHERE)
        check_floating(update.factors, f"{component} {name!r}", source)
        if not all(factor.isfinite().all() for factor in update.factors):
            raise CheckFailed(
                "checkpoint.not-finite", source, f"holds NaN or infinite weights in {component} {name!r}", "export the weights again"
            )


@torch.no_grad()
def merged(component: str, base: nn.Module, updates: Mapping[str, Update], scale: float, source: str) -> StateDict:
    """Updated weights of a component.

    Args:
        component: its name.
        base: its module in the base.
        updates: by module.
        scale: that all updates are multiplied by.
        source: file name for error messages.

    Raises:
        CheckFailed: as :func:`check_updates`, or DoRA's updates are to be scaled.
    """
    check_updates(component, base, updates, source)
    weights = base.state_dict()
    state: StateDict = {}
    for name, update in updates.items():
        weight = weights[f"{name}.weight"]
        added = weight.float() + scale * update.product(tuple(weight.shape)).to(weight.device)
        if isinstance(update, WithMagnitude):
            if scale != 1:
                consequence = f"rescales {name!r} (DoRA), which has no meaning at scale {scale:g}"
                raise CheckFailed("lora.unsupported-update", source, consequence, "leave `scale` out")
            added = update.rescaled(added)
        state[f"{name}.weight"] = added.to(weight.dtype)
    return state
