"""Curves: one score over the handover ratios."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from unconceal.specs.spec import Key, Spec
from unconceal.specs.suite import Arm


class CurveKey(NamedTuple):
    """What names a curve within a record."""

    name: str
    split: str
    arm: str | None
    extractor: str | None

    def __str__(self) -> str:
        """``presence forget empty``."""
        return " ".join(part for part in self if part)


class Curve(Spec):
    """A score over the handover ratios.

    Attributes:
        name: of the score.
        split: prompts that it covers.
        arm: continuation of θ*; None if there is only one.
        extractor: None if the score uses none.
        psi: (k,) handover ratios.
        k: (k,) number of steps run by θ.
        value: (k,) score; ``low``, ``high``: its 95 % interval.
        n: number of prompts.
        per_prompt: (prompts, k).
    """

    name: Key
    split: Literal["forget", "retain"]
    arm: Arm | None = None
    extractor: Key | None = None
    psi: tuple[float, ...]
    k: tuple[int, ...]
    value: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    n: int = Field(ge=0)
    per_prompt: tuple[tuple[float | None, ...], ...] = ()

    @property
    def key(self) -> CurveKey:
        return CurveKey(self.name, self.split, self.arm, self.extractor)
