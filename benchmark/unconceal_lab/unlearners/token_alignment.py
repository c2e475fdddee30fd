"""Target embeddings for each token of a caption whose concept is replaced or omitted."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.miniature.captions import wordings
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES
from unconceal_lab.unlearners.concept_captions import CaptionPair, components, form_text, tokenize


class TokenSpan(NamedTuple):
    """Where two captions of a pair differ, in tokens.

    Attributes:
        begin: first token of the concept's wording.
        n_form_tokens: tokens of the wording.
        n_counterpart_tokens: tokens in their place in the other caption.
        first_revealing: first token that reveals the concept ("five" may continue as "five-sided figure"). Since the encoder is causal,
            embeddings before it stay as they are.
    """

    begin: int
    n_form_tokens: int
    n_counterpart_tokens: int
    first_revealing: int


@torch.no_grad()
def counterpart_embeddings(pipeline: StableDiffusionPipeline, concept: str, pairs: list[CaptionPair], prompt_embeds: Tensor) -> Tensor:
    """Embedding that each position of the captions should have.

    The UNet attends to tokens as a set. It should see the counterpart's tokens, encoded at their positions in the caption, so that every
    later word keeps its position. If the wording is longer, the surplus repeats the token before it, encoded at the surplus positions.

    Args:
        pipeline: its text encoder and tokenizer are used.
        concept: the concept.
        pairs: n caption pairs.
        prompt_embeds: current embeddings of the captions (n, length, width).

    Returns:
        Target embeddings (n, length, width).
    """
    encoder, tokenizer, length = components(pipeline).text_encoder, components(pipeline).tokenizer, prompt_embeds.shape[1]
    spans = [token_span(concept, pair, tokenizer) for pair in pairs]
    ids = tokenize(pipeline, [pair.replacement for pair in pairs]).to(encoder.device)
    source, target = (
        torch.stack([table(span, length) for span in spans]).to(encoder.device) for table in (source_positions, target_positions)
    )
    result, positions = prompt_embeds.clone(), torch.arange(length, device=encoder.device)
    first_revealing = torch.tensor([span.first_revealing for span in spans], device=encoder.device)[:, None]
    last_counterpart = torch.tensor([span.begin + span.n_counterpart_tokens - 1 for span in spans], device=encoder.device)[:, None]
    surplus = torch.tensor([max(span.n_form_tokens - span.n_counterpart_tokens, 0) for span in spans], device=encoder.device)[:, None]
    for shift in range(int(surplus.max()) + 1):
        states = encoder(ids, position_ids=target + shift * (positions == last_counterpart)).last_hidden_state
        in_surplus = (positions > last_counterpart) & (positions <= last_counterpart + surplus)
        uses_shift = (positions >= first_revealing) & (in_surplus & (positions == last_counterpart + shift) if shift else ~in_surplus)
        result = torch.where(uses_shift[..., None], torch.take_along_dim(states, source[..., None], 1), result)
    return result


def token_span(concept: str, pair: CaptionPair, tokenizer: Any) -> TokenSpan:
    """Where a pair differs, for a tokenizer that splits words independently."""
    text_ids, form_ids, counterpart_ids = (
        [int(i) for i in tokenizer(text, add_special_tokens=False).input_ids] for text in (pair.text, *pair[2:])
    )
    n_shared = max(
        _common_prefix_length(form_ids, tokenizer(other, add_special_tokens=False).input_ids) for other in sibling_forms(concept)
    )
    # +1: the start token.
    begin = 1 + next(i for i in range(len(text_ids)) if text_ids[i : i + len(form_ids)] == form_ids)
    return TokenSpan(begin, len(form_ids), len(counterpart_ids), begin + min(n_shared, len(form_ids) - 1))


def sibling_forms(concept: str) -> list[str]:
    """Words of the wordings of every other concept."""
    return [form_text(form) for name in (*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN) if name != concept for form in wordings(name)]


def _common_prefix_length(first: list[int], second: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))


def source_positions(span: TokenSpan, length: int) -> Tensor:
    """Position in the counterpart that each position of the caption reads, (length,).

    A longer counterpart is aligned at its end. The surplus of a longer wording reads the counterpart's last token, or the token before it
    if the concept is omitted.
    """
    k = torch.arange(length)
    inside = (k + max(span.n_counterpart_tokens - span.n_form_tokens, 0)).clamp(max=span.begin + span.n_counterpart_tokens - 1)
    after = (k - span.n_form_tokens + span.n_counterpart_tokens).clamp(max=length - 1)
    return torch.where(k < span.begin, k, torch.where(k < span.begin + span.n_form_tokens, inside, after))


def target_positions(span: TokenSpan, length: int) -> Tensor:
    """Position in the caption of each position of the counterpart, (length,)."""
    j = torch.arange(length)
    inside = (j - max(span.n_counterpart_tokens - span.n_form_tokens, 0)).clamp(min=span.begin)
    after = (j - span.n_counterpart_tokens + span.n_form_tokens).clamp(max=length - 1)
    return torch.where(j < span.begin, j, torch.where(j < span.begin + span.n_counterpart_tokens, inside, after))
