"""A made-up row of the validation study."""

from __future__ import annotations

from typing import Any

from unconceal_lab.study.study_rows import Row

PSI = (0.0, 0.1, 0.3, 0.6, 1.0)
PROMPTS = 24


def row(name: str, kind: str = "method", task: str = "object/star", knows: float = 0.0, **more: Any) -> Row:
    """A row that draws nothing of the concept itself, and completes it in the empty arm at rate ``knows``."""
    hidden = ((0.0, 0.0, 0.0, 0.0, 1.0),) * PROMPTS
    completed = ((0.0, knows, knows, knows, 1.0),) * PROMPTS
    fields: dict[str, Any] = {
        "truth": None,
        "share": None,
        "held_out": False,
        "label": "inconclusive",
        "scores": {"excess": knows},
        "psi": PSI,
        "prompt": hidden,
        "empty": completed,
        "retain_psi": (0.0, 1.0),
        "retain": ((1.0, 1.0),) * 12,
        "relearning": 1 - knows,
    }
    return Row(name=name, kind=kind, task=task, **{**fields, **more})
