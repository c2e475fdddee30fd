"""Constrain generation to a JSON Schema: tokens that would violate it are masked."""

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
"""Fixed whitespace, since a model that may write unlimited spaces may never stop."""


class Grammar(LogitsProcessor):
    """Logits processor for one generation with batch size 1: tokens that the schema forbids get −∞."""

    def __init__(self, vocabulary: LLTokenizer, schema: Json, prompt_length: int) -> None:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=SPACES)  # type: ignore[arg-type]
        self.matcher, self.read = LLMatcher(vocabulary, grammar, log_level=0), prompt_length

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``input_ids``: (1, length); ``scores``: (1, vocabulary size)."""
        if self.read < input_ids.shape[1]:
            self.matcher.consume_tokens(input_ids[0, self.read :].tolist())
            self.read = input_ids.shape[1]
        bits = np.unpackbits(np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        if self.matcher.is_error():
            message = self.matcher.get_error().splitlines()[0][:200]
            raise EnvironmentFault(
                "grammar.unsupported", "the grammar", f"cannot constrain this model to the schema ({message})", "use it through an endpoint"
            )
        allowed = torch.zeros(scores.shape[1], dtype=torch.bool)
        n_tokens = min(len(bits), scores.shape[1])
        allowed[:n_tokens] = torch.from_numpy(bits[:n_tokens].astype(bool))
        masked: torch.FloatTensor = scores.masked_fill(~allowed.to(scores.device), float("-inf"))  # type: ignore[assignment]
        return masked


def llguidance_tokenizer(tokenizer: Any, size: int) -> LLTokenizer:
    """A fast tokenizer's tokens as bytes, for a model with ``size`` logits. Takes about a second."""
    return from_tokenizer(tokenizer, n_vocab=max(size, len(tokenizer)))
