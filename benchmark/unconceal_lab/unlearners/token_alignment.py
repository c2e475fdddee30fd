"""What each token of a caption should read as once its concept is left out."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.miniature.captions import wordings
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES
from unconceal_lab.unlearners.concept_captions import Pair, parts, tokens, words


class Span(NamedTuple):
    """Where a pair differs, in tokens: ``given`` tokens of the caption from ``begin`` on are ``wanted`` tokens of its counterpart.

    ``start``: the first token that gives the concept away. Before it a causal encoder can't know the concept ("five" may go on
    as "five-sided figure"), so there the caption reads as itself.
    """

    begin: int
    given: int
    wanted: int
    start: int


@torch.no_grad()
def counterparts(pipe: StableDiffusionPipeline, concept: str, pairs: list[Pair], said: Tensor) -> Tensor:
    """What every position of the captions should read as (n, length, width); ``said``: what they read as now.

    The UNet attends to tokens as a set. It is to see the counterpart's, encoded where they stand in the caption, so that every
    word after the concept keeps its place; where the wording is longer, the surplus repeats the token before it, moved there.
    """
    encoder, tokenizer, length = parts(pipe).text_encoder, parts(pipe).tokenizer, said.shape[1]
    spans = [span(concept, pair, tokenizer) for pair in pairs]
    ids = tokens(pipe, [pair.instead for pair in pairs]).to(encoder.device)
    place, position = (torch.stack([table(one, length) for one in spans]).to(encoder.device) for table in (places, positions))
    result, here = said.clone(), torch.arange(length, device=encoder.device)
    start = torch.tensor([one.start for one in spans], device=encoder.device)[:, None]
    last = torch.tensor([one.begin + one.wanted - 1 for one in spans], device=encoder.device)[:, None]
    surplus = torch.tensor([max(one.given - one.wanted, 0) for one in spans], device=encoder.device)[:, None]
    for moved in range(int(surplus.max()) + 1):
        states = encoder(ids, position_ids=position + moved * (here == last)).last_hidden_state
        repeated = (here > last) & (here <= last + surplus)
        takes = (here >= start) & (repeated & (here == last + moved) if moved else ~repeated)
        result = torch.where(takes[..., None], torch.take_along_dim(states, place[..., None], 1), result)
    return result


def span(concept: str, pair: Pair, tokenizer: Any) -> Span:
    """Where a pair differs under a word-by-word tokenizer."""
    said, form, counterpart = ([int(i) for i in tokenizer(text, add_special_tokens=False).input_ids] for text in (pair.said, *pair[2:]))
    shared = max(_equal_start(form, tokenizer(other, add_special_tokens=False).input_ids) for other in sibling_forms(concept))
    # +1: the start token.
    begin = 1 + next(i for i in range(len(said)) if said[i : i + len(form)] == form)
    return Span(begin, len(form), len(counterpart), begin + min(shared, len(form) - 1))


def sibling_forms(concept: str) -> list[str]:
    """The words of every other concept's wordings."""
    return [words(form) for name in (*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN) if name != concept for form in wordings(name)]


def _equal_start(one: list[int], two: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def places(one: Span, length: int) -> Tensor:
    """For each position of the caption the position of the counterpart that it reads as (length,).

    A longer counterpart is matched from its end; the surplus of a longer wording reads as the counterpart's last token, or as
    the token before when nothing is said instead.
    """
    k = torch.arange(length)
    inside = (k + max(one.wanted - one.given, 0)).clamp(max=one.begin + one.wanted - 1)
    after = (k - one.given + one.wanted).clamp(max=length - 1)
    return torch.where(k < one.begin, k, torch.where(k < one.begin + one.given, inside, after))


def positions(one: Span, length: int) -> Tensor:
    """For each position of the counterpart where it stands in the caption (length,)."""
    j = torch.arange(length)
    inside = (j - max(one.wanted - one.given, 0)).clamp(min=one.begin)
    after = (j - one.wanted + one.given).clamp(max=length - 1)
    return torch.where(j < one.begin, j, torch.where(j < one.begin + one.wanted, inside, after))
