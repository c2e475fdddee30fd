"""Token exclusion: at the tokens of declared words the denoiser sees what it would see of an empty prompt.

The text encoder reads the whole prompt, so later tokens and pooled embeddings may still carry the word. An empty prompt has no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from unconceal.diffusion.guidance import ClassifierFreeGuidance, plain_guidance
from unconceal.diffusion.inference_rules.word_matches import word_pattern
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import PromptEmbeddings
from unconceal.specs.inference_rule import TokenExclusion


def guidance(rule: TokenExclusion, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> ClassifierFreeGuidance:
    """Plain guidance by the prompts without the excluded tokens."""
    prompt_embeds = embeddings.prompt.prompt_embeds
    excluded = excluded_tokens(rule, model, prompts, prompt_embeds.shape[1]).to(prompt_embeds.device)
    kept = torch.where(excluded[:, :, None], embeddings.empty.prompt_embeds, prompt_embeds)
    return replace(plain_guidance(model, embeddings), prompt=replace(embeddings.prompt, prompt_embeds=kept))


def excluded_tokens(rule: TokenExclusion, model: Model, prompts: Sequence[str], n_tokens: int) -> torch.Tensor:
    """Which tokens of n prompts belong to a listed word, at least in part: (n, n_tokens)."""
    pattern = word_pattern(rule.words)
    tokens = model.tokenizer(
        list(prompts), padding="max_length", max_length=n_tokens, truncation=True, return_offsets_mapping=True, return_tensors="pt"
    )
    starts, ends = tokens["offset_mapping"].unbind(-1)
    excluded = torch.zeros_like(starts, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        for match in pattern.finditer(prompt):
            excluded[row] |= (starts[row] < match.end()) & (ends[row] > match.start()) & (ends[row] > starts[row])
    return excluded
