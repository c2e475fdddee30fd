"""Holding a language model to a JSON Schema while it writes: every token that would leave the schema is ruled out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from transformers import LogitsProcessor

from unconceal.errors import EnvironmentFault
from unconceal.specs.spec import Json

SPACES: dict[str, Any] = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""One way to space an answer: a model that may write blanks for ever may never end."""


class Grammar(LogitsProcessor):
    """Masks the scores of one generation, batch 1: what the schema forbids gets −∞."""

    def __init__(self, vocabulary: LLTokenizer, schema: Json, prompt_length: int) -> None:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=SPACES)  # type: ignore[arg-type]
        self.matcher, self.read = LLMatcher(vocabulary, grammar, log_level=0), prompt_length

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``input_ids``: 1 × tokens so far, ``scores``: 1 × vocabulary."""
        if self.read < input_ids.shape[1]:
            self.matcher.consume_tokens(input_ids[0, self.read :].tolist())
            self.read = input_ids.shape[1]
        bits = np.unpackbits(np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        if self.matcher.is_error():
            said = self.matcher.get_error().splitlines()[0][:200]
            raise EnvironmentFault("the grammar", f"cannot hold this model to the schema ({said})", "ask it through an endpoint")
        allowed = torch.zeros(scores.shape[1], dtype=torch.bool)
        known = min(len(bits), scores.shape[1])
        allowed[:known] = torch.from_numpy(bits[:known].astype(bool))
        masked: torch.FloatTensor = scores.masked_fill(~allowed.to(scores.device), float("-inf"))  # type: ignore[assignment]
        return masked


def vocabulary_of(tokenizer: Any, size: int) -> LLTokenizer:
    """A fast tokenizer's tokens as bytes, for a model that scores ``size`` of them. Takes about a second."""
    return from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)))
