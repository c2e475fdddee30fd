"""Unlearned, or merely concealed? A benchmark suite and leaderboard for unlearned text-to-image diffusion checkpoints."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unconceal.api import evaluate, first_look, load_results, load_submission, load_task

__version__ = "0.2.0"
__all__ = ["__version__", "evaluate", "first_look", "load_results", "load_submission", "load_task"]

_HOMES = {
    "evaluate": "unconceal.api",
    "first_look": "unconceal.api",
    "load_results": "unconceal.api",
    "load_submission": "unconceal.api",
    "load_task": "unconceal.api",
}


def __getattr__(name: str) -> Any:
    """Load a public function's module when it is first asked for (PEP 562), so that the import itself stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'unconceal' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
