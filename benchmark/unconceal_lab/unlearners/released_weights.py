"""The weights that an unlearner releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class UnlearnedWeights(NamedTuple):
    """Result of an unlearner.

    Attributes:
        weights: float16 tensors, keys prefixed by their component (``unet.``, ``text_encoder.``).
        minutes: processor minutes.
    """

    weights: dict[str, Tensor]
    minutes: float


def to_release(component: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Changed weights of one component in float16, keys prefixed by the component."""
    return {f"{component}.{name}": tensor.detach().cpu().half().contiguous() for name, tensor in weights.items()}
