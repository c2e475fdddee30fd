"""PEFT's settings of an adapter: the scale of an update, and what no merge reproduces."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from math import isfinite, sqrt
from typing import Any

from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

OTHER_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initializations that also change the base's weights, so that the updates belong to another base."""
NOT_FOLLOWED = ("fan_in_fan_out", "alora_invocation_tokens", "arrow_config", "use_qalora", "kasa_config", "layer_replication", "use_bdlora")
"""Settings under which updates act in another way than a merge, or on other layers."""
KINDS = ("LORA", "LOHA", "LOKR")
PATTERNS = ("alpha_pattern", "rank_pattern")
ALPHAS = ("lora_alpha", "alpha", "alpha_pattern")
"""Settings that give α."""


def scale(settings: Mapping[str, Any], module: str, rank: int | None, alpha: float | None, source: str) -> float:
    """The scale s = α / r of a module's update (rank-stabilized: α / √r).

    Args:
        settings: PEFT's; empty where a file has none.
        module: name of the module.
        rank: r; None where no factor has a rank.
        alpha: that stands beside the factors.
        source: file name for error messages.

    Raises:
        CheckFailed: α is no number, the rank is another, or the settings name what is not followed.
    """
    initialization = str(settings.get("init_lora_weights", ""))
    unfollowed = f"init_lora_weights {initialization!r}" if initialization.startswith(OTHER_BASE) else ""
    unfollowed = unfollowed or next((name for name in NOT_FOLLOWED if settings.get(name)), "")
    kind = settings.get("peft_type")
    unfollowed = unfollowed or (f"peft_type {kind!r}" if kind is not None and kind not in KINDS else "")
    if unfollowed:
        consequence = f"says {shortened(unfollowed)}, so merging its updates would make another model"
        raise CheckFailed("lora.unsupported-update", source, consequence, "release the merged weights")
    if alpha is None or any(settings.get(name) is not None for name in ALPHAS):
        said = _stated_alpha(settings, module, rank, source)
        if alpha not in (None, said):
            consequence = f"gives α of {shortened(module)!r} as {alpha:g}, where its settings say {said:g}, so nobody knows which is meant"
            raise CheckFailed("lora.bad-alpha", source, consequence, "export the LoRA again")
        alpha = said
    stated = _patterned(settings, "rank_pattern", module, settings.get("r"))
    if rank is None:
        if not isinstance(stated, int) or stated < 1:
            # LyCORIS ignores α where neither factor is decomposed.
            return 1.0
        rank = stated
    elif stated not in (None, rank):
        consequence = f"has an update of {shortened(module)!r} of rank {rank}, where its settings say {shortened(repr(stated))}"
        raise CheckFailed("lora.wrong-rank", source, f"{consequence}, so they belong to another adapter", "release both as they were saved")
    return alpha / (sqrt(rank) if settings.get("use_rslora") else rank)


def check_patterns(settings: Mapping[str, Any], modules: Collection[str], source: str) -> None:
    """Check that every pattern of α or of the rank names a module.

    Args:
        settings: PEFT's.
        modules: names of the modules that are updated.
        source: file name for error messages.

    Raises:
        CheckFailed: one is an expression, or names none.
    """
    for name in PATTERNS:
        patterns = settings.get(name) or {}
        unread = patterns if not isinstance(patterns, dict) else [key for key in patterns if not _is_plain(key, modules)]
        if unread:
            value = shortened(str(next(iter(unread)))) if isinstance(unread, list) else "no table"
            consequence = f"gives {name} for {value!r}, which is the name of no updated layer"
            raise CheckFailed("lora.unsupported-alpha", source, consequence, "name the layers plainly, or release the merged weights")


def _is_plain(pattern: Any, modules: Collection[str]) -> bool:
    return re.fullmatch(r"[\w.]+", str(pattern)) is not None and any(_names(pattern, module) for module in modules)


def _names(pattern: str, module: str) -> bool:
    """Whether a pattern names a module, as PEFT decides it: its full name, or an end of it."""
    return module == pattern or module.endswith(f".{pattern}")


def _patterned(settings: Mapping[str, Any], name: str, module: str, default: Any) -> Any:
    """A module's value of a table of patterns; the first that names it."""
    return next((value for pattern, value in (settings.get(name) or {}).items() if _names(pattern, module)), default)


def _stated_alpha(settings: Mapping[str, Any], module: str, rank: int | None, source: str) -> float:
    """α as the settings give it; the rank where they do not."""
    alpha = _patterned(settings, "alpha_pattern", module, settings.get("lora_alpha", settings.get("alpha", rank or 1)))
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not isfinite(alpha):
        raise CheckFailed("lora.bad-alpha", source, f"says α is {shortened(repr(alpha))}, which is no number", "export the LoRA again")
    return float(alpha)
