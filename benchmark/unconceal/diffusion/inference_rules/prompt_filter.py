"""Prompt filter: a prompt with a declared word is replaced as a whole. An empty prompt has none, so it stays θ's."""

from __future__ import annotations

from collections.abc import Sequence

from unconceal.diffusion.guidance import ClassifierFreeGuidance, plain_guidance
from unconceal.diffusion.inference_rules.prompt_rewriting import encoded_anew
from unconceal.diffusion.inference_rules.word_matches import word_pattern
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings
from unconceal.specs.inference_rule import PromptFilter


def guidance(rule: PromptFilter, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> ClassifierFreeGuidance:
    """Plain guidance by the prompts that pass, and by the declared one instead of the others."""
    pattern = word_pattern(rule.words)
    texts = [rule.instead if pattern.search(prompt) else prompt for prompt in prompts]
    return plain_guidance(model, encoded_anew(model, prompts, texts, embeddings))
