"""A number as records hold it."""

from __future__ import annotations

from pydantic import Field

from unconceal.specs.spec import Spec


class Score(Spec):
    """A number with its interval and n; None: undefined, and ``note`` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    note: str = ""
