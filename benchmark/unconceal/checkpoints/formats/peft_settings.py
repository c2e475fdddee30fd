"""PEFT's settings of an adapter: the scale of an update, and what no merge reproduces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Any

from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

OTHER_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initializations that also change the base's weights, so that the updates belong to another base."""
TRANSPOSED = "fan_in_fan_out"


def scale(settings: Mapping[str, Any], module: str, rank: int | None, alpha: float | None, source: str) -> float:
    """The scale s = α / r of a module's update (rank-stabilized: α / √r).

    Args:
        settings: PEFT's; empty where a file has none.
        module: name of the module.
        rank: r; None where no factor has a rank.
        alpha: that stands beside the factors.
        source: file name for error messages.

    Raises:
        CheckFailed: α is no number or given by patterns, or the settings name what is not followed.
    """
    initialization = str(settings.get("init_lora_weights", ""))
    if initialization.startswith(OTHER_BASE) or settings.get(TRANSPOSED):
        said = f"init_lora_weights {initialization!r}" if initialization.startswith(OTHER_BASE) else TRANSPOSED
        consequence = f"says {shortened(said)}, so its updates are not of the base's own weights"
        raise CheckFailed("lora.unsupported-update", source, consequence, "release the merged weights")
    if alpha is None:
        alpha = _stated(settings, module, rank, source)
    if rank is None:
        rank = settings.get("r") if settings else None
        if not isinstance(rank, int) or rank < 1:
            # LyCORIS ignores α where neither factor is decomposed.
            return 1.0
    return alpha / (sqrt(rank) if settings.get("use_rslora") else rank)


def _stated(settings: Mapping[str, Any], module: str, rank: int | None, source: str) -> float:
    """α as the settings give it; the rank where they do not."""
    patterns = settings.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or any(not re.fullmatch(r"[\w.]+", str(pattern)) for pattern in patterns):
        raise CheckFailed(
            "lora.unsupported-alpha",
            source,
            "gives α by patterns, which are not followed here",
            "name the modules plainly, or release the merged weights",
        )
    named = (value for name, value in patterns.items() if module == name or module.endswith(f".{name}"))
    alpha = next(named, settings.get("lora_alpha", settings.get("alpha", rank or 1)))
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not isfinite(alpha):
        raise CheckFailed("lora.bad-alpha", source, f"says α is {shortened(repr(alpha))}, which is no number", "export the LoRA again")
    return float(alpha)
