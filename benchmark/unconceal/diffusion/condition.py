"""What the UNet is told, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch


@dataclass(frozen=True)
class Condition:
    """``words`` (n, tokens, width): text embeddings. ``strength`` (n,): how strongly a membrane acts; None: there is none."""

    words: torch.Tensor
    strength: torch.Tensor | None = None

    def repeat(self, times: int) -> Condition:
        """All rows, ``times`` times over."""
        return Condition(self.words.repeat(times, 1, 1), None if self.strength is None else self.strength.repeat(times))

    def split(self, rows: int) -> list[Condition]:
        """Groups of at most ``rows``."""
        groups = torch.split(self.words, rows)
        strengths = [None] * len(groups) if self.strength is None else list(torch.split(self.strength, rows))
        return [Condition(words, strength) for words, strength in zip(groups, strengths, strict=True)]


def joined(conditions: Sequence[Condition]) -> Condition:
    """The rows of all, one after the other; either all or none have a strength."""
    strengths = [condition.strength for condition in conditions if condition.strength is not None]
    return Condition(torch.cat([condition.words for condition in conditions]), torch.cat(strengths) if strengths else None)


class Told(NamedTuple):
    """What n prompts tell a model: the ``prompt``, what guidance subtracts for it (``negative``), and no prompt at all (``empty``)."""

    prompt: Condition
    negative: Condition
    empty: Condition
