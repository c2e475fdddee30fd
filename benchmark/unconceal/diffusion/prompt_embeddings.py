"""Conditioning of the denoiser, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch


@dataclass(frozen=True)
class Conditioning:
    """Conditioning of n rows. None: the family has no such input.

    Attributes:
        prompt_embeds: (n, tokens, width) text embeddings.
        spm_strength: (n, k) how strongly each of k membranes of an SPM network acts.
        pooled_prompt_embeds: (n, width) pooled embeddings.
        guidance: (n,) guidance scale, an input of guidance-distilled models.
    """

    prompt_embeds: torch.Tensor
    spm_strength: torch.Tensor | None = None
    pooled_prompt_embeds: torch.Tensor | None = None
    guidance: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.prompt_embeds)

    def with_embeddings_of(self, other: Conditioning) -> Conditioning:
        """The other's text embeddings; everything else stays."""
        return replace(self, prompt_embeds=other.prompt_embeds, pooled_prompt_embeds=other.pooled_prompt_embeds)

    def repeat(self, times: int) -> Conditioning:
        """All rows, repeated ``times`` times."""
        return self._each(lambda part: part.repeat(times, *[1] * (part.ndim - 1)))

    def split(self, rows: int) -> list[Conditioning]:
        """Groups of at most ``rows`` rows."""

        def group(start: int) -> Conditioning:
            return self._each(lambda part: part[start : start + rows])

        return [group(start) for start in range(0, len(self), rows)]

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Conditioning:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Conditioning(**{name: change(part) for name, part in parts.items() if part is not None})


def concatenated(conditions: Sequence[Conditioning]) -> Conditioning:
    """The rows of all, one after the other. All have the inputs that the first has."""
    names = [field.name for field in fields(Conditioning) if getattr(conditions[0], field.name) is not None]
    return Conditioning(**{name: torch.cat([getattr(condition, name) for condition in conditions]) for name in names})


class PromptEmbeddings(NamedTuple):
    """Embeddings of n prompts.

    Attributes:
        prompt: of the prompts.
        negative: of the negative prompts of classifier-free guidance; None: guidance is distilled into the model.
        empty: of the empty prompt, for the unconditional continuation.
    """

    prompt: Conditioning
    negative: Conditioning | None
    empty: Conditioning
