"""Prompt rewriting: declared words are replaced before the text encoder reads the prompt. An empty prompt has none, so it stays θ's."""

from __future__ import annotations

from collections.abc import Sequence

from unconceal.diffusion.guidance import ClassifierFreeGuidance, plain_guidance
from unconceal.diffusion.inference_rules.word_matches import word_pattern
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings
from unconceal.specs.inference_rule import PromptRewriting


def guidance(rule: PromptRewriting, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> ClassifierFreeGuidance:
    """Plain guidance by the rewritten prompts."""
    return plain_guidance(model, encoded_anew(model, prompts, [rewritten(rule, prompt) for prompt in prompts], embeddings))


def rewritten(rule: PromptRewriting, prompt: str) -> str:
    """The prompt with every listed word replaced; the white space that a deleted word leaves is closed up."""
    replacements = {" ".join(word.split()).casefold(): text for word, text in rule.replacements.items()}
    text = word_pattern(rule.replacements).sub(lambda match: replacements[" ".join(match[0].split()).casefold()], prompt)
    return prompt if text == prompt else " ".join(text.split())


def encoded_anew(model: Model, prompts: Sequence[str], texts: Sequence[str], embeddings: PromptEmbeddings) -> PromptEmbeddings:
    """Embeddings of texts in place of the prompts; the given ones where no text differs from its prompt."""
    return embeddings if list(texts) == list(prompts) else model.encode_prompts(texts)
