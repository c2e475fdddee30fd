"""A score as records store it."""

from __future__ import annotations

from pydantic import Field

from unconceal.specs.spec import Spec


class Score(Spec):
    """A score with its 95 % interval and number of prompts. ``value`` is None if it is undefined; ``note`` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    note: str = ""
