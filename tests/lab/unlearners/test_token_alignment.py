from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import CaptionPair, encode_prompts
from unconceal_lab.unlearners.token_alignment import TokenSpan, counterpart_embeddings, source_positions, target_positions, token_span


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


STAR = CaptionPair("a red star on a white background", "a red shape on a white background", "star", "shape")
FIVE = CaptionPair("a five-pointed figure on a white background", "a shape on a white background", "five-pointed figure", "shape")
STRIPED = CaptionPair("a star in striped style, gray background", "a star, gray background", "in striped style", "")
MOON = CaptionPair("a red crescent", "a red round band with a hole", "crescent", "round band with a hole")


def test_spans_count_tokens_and_know_where_the_concept_shows(pipeline: StableDiffusionPipeline) -> None:
    assert token_span("star", STAR, pipeline.tokenizer) == TokenSpan(3, 1, 1, 3)
    # "five" and "-" begin "five-sided figure" too; only "pointed" tells.
    assert token_span("star", FIVE, pipeline.tokenizer) == TokenSpan(2, 4, 1, 4)
    assert token_span("striped", STRIPED, pipeline.tokenizer) == TokenSpan(3, 3, 0, 4)


def read(span: TokenSpan, caption: str, replacement: str) -> str:
    """The counterpart's words as the caption's positions read them."""
    words = replacement.split()
    return " ".join(words[position] for position in source_positions(span, 24)[: len(caption.split())])


def test_words_read_as_their_counterparts() -> None:
    assert read(TokenSpan(2, 4, 1, 4), "| a five - pointed figure on white", "| a shape on white") == "| a shape shape shape shape on white"
    assert read(TokenSpan(3, 3, 0, 4), "| a star in striped style , gray", "| a star , gray") == "| a star star star star , gray"
    assert read(TokenSpan(2, 1, 3, 2), "| a crescent on white", "| a band with hole on white") == "| a hole on white"


def test_counterparts_align_with_the_captions_tokens() -> None:
    assert target_positions(TokenSpan(2, 4, 1, 4), 10).tolist() == [0, 1, 2, 6, 7, 8, 9, 9, 9, 9]
    assert target_positions(TokenSpan(2, 1, 3, 2), 8).tolist() == [0, 1, 2, 2, 2, 3, 4, 5]


def test_equally_long_wordings_read_as_the_counterpart_itself(pipeline: StableDiffusionPipeline) -> None:
    prompt_embeds = encode_prompts(pipeline, [STAR.text])
    assert torch.allclose(
        counterpart_embeddings(pipeline, "star", [STAR], prompt_embeds), encode_prompts(pipeline, [STAR.replacement]), atol=1e-5
    )


@pytest.mark.parametrize(("concept", "pair"), [("star", FIVE), ("striped", STRIPED), ("crescent", MOON)])
def test_positions_are_encoded_one_by_one(pipeline: StableDiffusionPipeline, concept: str, pair: CaptionPair) -> None:
    """Against the slow way: every position by an encoding of its own, with the token it reads as moved there."""
    prompt_embeds = encode_prompts(pipeline, [pair.text])
    result = counterpart_embeddings(pipeline, concept, [pair], prompt_embeds)[0]
    first = token_span(concept, pair, pipeline.tokenizer)
    source, position = source_positions(first, 24), target_positions(first, 24)
    ids = pipeline.tokenizer([pair.replacement], padding="max_length", return_tensors="pt").input_ids
    for k in range(23):
        shifted = position.clone()
        if first.begin <= k < first.begin + first.n_form_tokens:
            shifted[source[k]] = k
        state = pipeline.text_encoder(ids, position_ids=shifted[None]).last_hidden_state[0, source[k]]
        assert torch.allclose(result[k], prompt_embeds[0, k] if k < first.first_revealing else state, atol=1e-5), k


def test_pairs_do_not_disturb_each_other(pipeline: StableDiffusionPipeline) -> None:
    pairs = [STAR, FIVE]
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in pairs])
    together = counterpart_embeddings(pipeline, "star", pairs, prompt_embeds)
    for i, pair in enumerate(pairs):
        assert torch.allclose(together[i], counterpart_embeddings(pipeline, "star", [pair], prompt_embeds[i : i + 1])[0], atol=1e-5)
