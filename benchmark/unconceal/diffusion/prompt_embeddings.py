"""What the denoiser is told, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch


@dataclass(frozen=True)
class Conditioning:
    """What n rows are told; None: the family has no such thing.

    ``words`` (n, tokens, width): text embeddings. ``strength`` (n,): how strongly a membrane acts. ``pooled`` (n, width): the summary
    of a prompt. ``guidance`` (n,): the scale that a guidance-distilled model is told.
    """

    prompt_embeds: torch.Tensor
    spm_strength: torch.Tensor | None = None
    pooled_prompt_embeds: torch.Tensor | None = None
    guidance: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.prompt_embeds)

    def repeat(self, times: int) -> Conditioning:
        """All rows, ``times`` times over."""
        return self._each(lambda part: part.repeat(times, *[1] * (part.ndim - 1)))

    def split(self, rows: int) -> list[Conditioning]:
        """Groups of at most ``rows``."""

        def group(start: int) -> Conditioning:
            return self._each(lambda part: part[start : start + rows])

        return [group(start) for start in range(0, len(self), rows)]

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Conditioning:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Conditioning(**{name: change(part) for name, part in parts.items() if part is not None})


def concatenated(conditions: Sequence[Conditioning]) -> Conditioning:
    """The rows of all, one after the other; what one is told, all are."""
    named = [field.name for field in fields(Conditioning) if getattr(conditions[0], field.name) is not None]
    return Conditioning(**{name: torch.cat([getattr(condition, name) for condition in conditions]) for name in named})


class PromptEmbeddings(NamedTuple):
    """What n prompts tell a model.

    ``prompt``; ``negative``: what guidance subtracts for it (None: guidance is distilled into the model, and one row is enough);
    ``empty``: no prompt at all.
    """

    prompt: Conditioning
    negative: Conditioning | None
    empty: Conditioning
