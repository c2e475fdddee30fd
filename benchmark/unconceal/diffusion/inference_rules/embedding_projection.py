"""Embedding projection (SAFREE, arXiv 2410.12761, equations 2 to 6): tokens that evoke a concept are projected away from it.

With C the pooled embeddings of the concepts, p(−i) the pooled embedding of the prompt without its token i, and P the orthogonal projection
onto the span of C, or of all p(−i):

    d(i) = ‖(I − P_C) p(−i)‖,  a trigger where d(i) > (1 + α) · mean of d(j ≠ i)
    p'   = P_I (I − P_C) p     in place of the embedding p of every trigger
    steps: i ≤ round(γ · sigmoid(1 − cos(p, p')))             cos: mean over the prompt's tokens, all of them projected

A token is left out by hiding it from the text encoder's attention. The only token of a prompt is a trigger, as in the released code, whose
other two steps, a fitted sigmoid and the re-attention in the latents, are not part of this rule. An empty prompt has no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from unconceal.diffusion.guidance import ClassifierFreeGuidance, plain_guidance
from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.specs.inference_rule import EmbeddingProjection


@dataclass(frozen=True)
class FilteredGuidance:
    """Guidance by other embeddings in the first steps.

    Attributes:
        plain: guidance by the prompts as they are.
        projected: (n, tokens, width) prompts without their triggers.
        last_step: (n,) the last step at which they are used; −1: none.
    """

    plain: ClassifierFreeGuidance
    projected: torch.Tensor
    last_step: torch.Tensor

    def conditions(self, step: int) -> Sequence[Conditioning]:
        prompt = self.plain.prompt
        prompt_embeds = torch.where((step <= self.last_step)[:, None, None], self.projected, prompt.prompt_embeds)
        return replace(self.plain, prompt=replace(prompt, prompt_embeds=prompt_embeds)).conditions(step)

    def combine(self, predictions: Sequence[torch.Tensor], step: int) -> torch.Tensor:
        return self.plain.combine(predictions, step)


class TokenizedPrompts(NamedTuple):
    """Tokens (n, tokens): ids, the attention mask, and which of them are words of the prompt."""

    ids: torch.Tensor
    attention: torch.Tensor
    words: torch.Tensor


def guidance(rule: EmbeddingProjection, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> FilteredGuidance:
    """The projection of every prompt, and how long it acts."""
    model.to_device("text_encoder")
    embeds = embeddings.prompt.prompt_embeds
    tokens = tokenized(model, prompts, embeds.shape[1])
    subspace = orthogonal_projection(pooled(model, tokenized(model, rule.concepts, embeds.shape[1])))
    away = torch.eye(len(subspace), device=subspace.device) - subspace
    masked = masked_prompts(model, tokens)
    projected, last_step = embeds.float().clone(), torch.full((len(prompts),), -1, device=embeds.device)
    for row, positions in enumerate(words.nonzero().flatten() for words in tokens.words):
        if not len(positions):
            continue
        without = masked[row, positions]
        new = embeds[row, positions].float() @ (orthogonal_projection(without) @ away).T
        triggers = trigger_tokens((without @ away.T).norm(dim=1), rule.alpha)
        projected[row, positions[triggers]] = new[triggers]
        similarity = torch.cosine_similarity(embeds[row, positions].float(), new, dim=1).mean()
        last_step[row] = torch.round(rule.max_steps * torch.sigmoid(1 - similarity)).long()
    return FilteredGuidance(plain_guidance(model, embeddings), projected.to(embeds), last_step)


def trigger_tokens(distances: torch.Tensor, alpha: float) -> torch.Tensor:
    """Which of a prompt's tokens (t,) are triggers, by the distance to the concepts' subspace without each of them."""
    if len(distances) == 1:
        return torch.ones_like(distances, dtype=torch.bool)
    others = (distances.sum() - distances) / (len(distances) - 1)
    return distances > (1 + alpha) * others


def orthogonal_projection(rows: torch.Tensor) -> torch.Tensor:
    """The orthogonal projection (width, width) onto the span of rows (n, width)."""
    projection: torch.Tensor = torch.linalg.pinv(rows) @ rows
    return projection


def tokenized(model: Model, texts: Sequence[str], n_tokens: int) -> TokenizedPrompts:
    """Tokens of n texts, padded as the pipeline pads them."""
    tokens = model.tokenizer(
        list(texts), padding="max_length", max_length=n_tokens, truncation=True, return_special_tokens_mask=True, return_tensors="pt"
    )
    ids, attention = tokens["input_ids"].to(model.device), tokens["attention_mask"].to(model.device)
    return TokenizedPrompts(ids, attention, attention.bool() & (tokens["special_tokens_mask"] == 0).to(model.device))


def masked_prompts(model: Model, tokens: TokenizedPrompts) -> torch.Tensor:
    """Pooled embeddings (n, tokens, width) of n prompts without each of their tokens; zeros where a token is no word."""
    columns: list[Any] = []
    for position in range(tokens.ids.shape[1]):
        if not tokens.words[:, position].any():
            columns.append(None)
            continue
        attention = tokens.attention.clone()
        attention[:, position] = 0
        columns.append(pooled(model, tokens._replace(attention=attention)))
    width = next((column for column in columns if column is not None), torch.zeros(1, 1)).shape[1]
    empty = torch.zeros(len(tokens.ids), width, device=tokens.ids.device)
    return torch.stack([empty if column is None else column for column in columns], dim=1)


def pooled(model: Model, tokens: TokenizedPrompts) -> torch.Tensor:
    """Pooled embeddings (n, width) of n tokenized texts, float32."""
    output = model.pipeline.text_encoder(tokens.ids, attention_mask=tokens.attention)
    pooler_output: torch.Tensor = output.pooler_output.float()
    return pooler_output
