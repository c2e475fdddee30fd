"""Negative prompt: classifier-free guidance away from a text. On an empty prompt it leads away from that text as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unconceal.diffusion.guidance import ClassifierFreeGuidance, plain_guidance
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings
from unconceal.specs.inference_rule import NegativePrompt


def guidance(rule: NegativePrompt, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> ClassifierFreeGuidance:
    """p(negative) + w · (p(prompt) − p(negative))."""
    return replace(plain_guidance(model, embeddings), negative=model.encode_prompts([rule.prompt] * len(prompts)).prompt)
