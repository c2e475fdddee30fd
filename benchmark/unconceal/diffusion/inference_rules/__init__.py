"""Inference rules: how θ* samples where its weights are θ's, one file each, in one plain table.

A rule gets n prompts and their embeddings, and returns the guidance of their rows. It acts in θ*'s part of the denoising only, and in the
empty arm as it does on an empty prompt. Steps are counted from the first of the whole run, and a history starts at the handover.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unconceal.diffusion.guidance import Guidance
from unconceal.diffusion.inference_rules import (
    embedding_projection,
    negative_prompt,
    prompt_filter,
    prompt_rewriting,
    safe_latent_diffusion,
    token_exclusion,
)
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings
from unconceal.specs.inference_rule import RuleName

RuleFunction = Callable[[Any, Model, Sequence[str], PromptEmbeddings], Guidance]
"""From a rule's settings, θ*, n prompts and their embeddings."""

RULES: Mapping[RuleName, RuleFunction] = {
    "negative-prompt": negative_prompt.guidance,
    "safe-latent-diffusion": safe_latent_diffusion.guidance,
    "prompt-rewriting": prompt_rewriting.guidance,
    "prompt-filter": prompt_filter.guidance,
    "token-exclusion": token_exclusion.guidance,
    "embedding-projection": embedding_projection.guidance,
}


def rule_guidance(model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> Guidance:
    """Guidance by prompts under the model's rule.

    Args:
        model: θ*, which has a rule.
        prompts: n texts.
        embeddings: their embeddings, or θ's of the empty prompt.
    """
    assert model.rule is not None
    return RULES[model.rule.rule](model.rule, model, prompts, embeddings)
