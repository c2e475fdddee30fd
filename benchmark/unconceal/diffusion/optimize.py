"""What may be changed on a denoiser for speed; each changes the last digits, so each is part of a picture's identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn


def _channels_last(module: nn.Module) -> None:
    """Convolutions with the channels innermost, as a card's tensor cores take them."""
    module.to(memory_format=torch.channels_last)


def _compile(module: nn.Module) -> None:
    """torch.compile, in place; the first call of each number of rows takes minutes."""
    if module._compiled_call_impl is None:
        module.compile(dynamic=True)


OPTIONS: Mapping[str, Callable[[nn.Module], None]] = {"channels-last": _channels_last, "compile": _compile}


def optimized(pipe: Any, options: Sequence[str]) -> Any:
    """The pipeline with the options done to its denoiser and its VAE; as it is without any."""
    for name in options:
        for part in ("unet", "transformer", "vae"):
            module = getattr(pipe, part, None)
            if isinstance(module, nn.Module) and not (name == "compile" and part == "vae"):
                OPTIONS[name](module)
    return pipe
