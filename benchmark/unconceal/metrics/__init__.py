"""Pure functions of arrays, one module per score: ``unconceal.metrics.crs.mean_dissimilarity``, ``unconceal.metrics.ccs.ccs``, …

Modules are imported when first used, so that importing this loads nothing. Only ``kid`` and ``clip_score`` need torch.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unconceal.metrics import attack, battery_excess, ccs, clip_score, crs, damage, kid, presence, rank_correlation, statistics, verdict

__all__ = ["attack", "battery_excess", "ccs", "clip_score", "crs", "damage", "kid", "presence", "rank_correlation", "statistics", "verdict"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
