"""What an unlearner hands over: the weights that its method releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class Release(NamedTuple):
    """``weights``: float16, keys prefixed by their component (``unet.``, ``text_encoder.``); ``minutes``: processor time."""

    weights: dict[str, Tensor]
    minutes: float


def released(component: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Changed weights of one component as they are stored."""
    return {f"{component}.{name}": tensor.detach().cpu().half().contiguous() for name, tensor in weights.items()}
