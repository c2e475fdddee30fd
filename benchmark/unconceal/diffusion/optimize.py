"""Speed options of a pipeline. Each changes the last digits, so each is part of an image's identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn


def _channels_last(module: nn.Module) -> None:
    """Channels-last memory format, which tensor cores are fastest on."""
    module.to(memory_format=torch.channels_last)


def _compile(module: nn.Module) -> None:
    """torch.compile, in place. The first call of each batch size takes minutes."""
    if module._compiled_call_impl is None:
        module.compile(dynamic=True)


OPTIONS: Mapping[str, Callable[[nn.Module], None]] = {"channels-last": _channels_last, "compile": _compile}


def optimized(pipeline: Any, options: Sequence[str]) -> Any:
    """Apply the options to the denoiser and the VAE of a pipeline, in place.

    Args:
        pipeline: a diffusers pipeline.
        options: keys of :data:`OPTIONS`; ``compile`` leaves the VAE as it is.

    Returns:
        The same pipeline.
    """
    for name in options:
        for part in ("unet", "transformer", "vae"):
            module = getattr(pipeline, part, None)
            if isinstance(module, nn.Module) and not (name == "compile" and part == "vae"):
                OPTIONS[name](module)
    return pipeline
