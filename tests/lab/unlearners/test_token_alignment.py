from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import Pair, embeddings
from unconceal_lab.unlearners.token_alignment import Span, counterparts, places, positions, span


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


STAR = Pair("a red star on a white background", "a red shape on a white background", "star", "shape")
FIVE = Pair("a five-pointed figure on a white background", "a shape on a white background", "five-pointed figure", "shape")
STRIPED = Pair("a star in striped style, gray background", "a star, gray background", "in striped style", "")
MOON = Pair("a red crescent", "a red round band with a hole", "crescent", "round band with a hole")


def test_spans_count_tokens_and_know_where_the_concept_shows(pipe: StableDiffusionPipeline) -> None:
    assert span("star", STAR, pipe.tokenizer) == Span(3, 1, 1, 3)
    # "five" and "-" begin "five-sided figure" too; only "pointed" tells.
    assert span("star", FIVE, pipe.tokenizer) == Span(2, 4, 1, 4)
    assert span("striped", STRIPED, pipe.tokenizer) == Span(3, 3, 0, 4)


def read(one: Span, said: str, instead: str) -> str:
    """The counterpart's words as the caption's positions read them."""
    words = instead.split()
    return " ".join(words[place] for place in places(one, 24)[: len(said.split())])


def test_words_read_as_their_counterparts() -> None:
    assert read(Span(2, 4, 1, 4), "| a five - pointed figure on white", "| a shape on white") == "| a shape shape shape shape on white"
    assert read(Span(3, 3, 0, 4), "| a star in striped style , gray", "| a star , gray") == "| a star star star star , gray"
    assert read(Span(2, 1, 3, 2), "| a crescent on white", "| a band with hole on white") == "| a hole on white"


def test_counterparts_stand_where_the_caption_has_them() -> None:
    assert positions(Span(2, 4, 1, 4), 10).tolist() == [0, 1, 2, 6, 7, 8, 9, 9, 9, 9]
    assert positions(Span(2, 1, 3, 2), 8).tolist() == [0, 1, 2, 2, 2, 3, 4, 5]


def test_equally_long_wordings_read_as_the_counterpart_itself(pipe: StableDiffusionPipeline) -> None:
    said = embeddings(pipe, [STAR.said])
    assert torch.allclose(counterparts(pipe, "star", [STAR], said), embeddings(pipe, [STAR.instead]), atol=1e-5)


@pytest.mark.parametrize(("concept", "pair"), [("star", FIVE), ("striped", STRIPED), ("crescent", MOON)])
def test_positions_are_encoded_one_by_one(pipe: StableDiffusionPipeline, concept: str, pair: Pair) -> None:
    """Against the slow way: every position by an encoding of its own, with the token it reads as moved there."""
    said = embeddings(pipe, [pair.said])
    result = counterparts(pipe, concept, [pair], said)[0]
    one = span(concept, pair, pipe.tokenizer)
    place, position = places(one, 24), positions(one, 24)
    ids = pipe.tokenizer([pair.instead], padding="max_length", return_tensors="pt").input_ids
    for k in range(23):
        moved = position.clone()
        if one.begin <= k < one.begin + one.given:
            moved[place[k]] = k
        state = pipe.text_encoder(ids, position_ids=moved[None]).last_hidden_state[0, place[k]]
        assert torch.allclose(result[k], said[0, k] if k < one.start else state, atol=1e-5), k


def test_pairs_do_not_disturb_each_other(pipe: StableDiffusionPipeline) -> None:
    pairs = [STAR, FIVE]
    said = embeddings(pipe, [pair.said for pair in pairs])
    together = counterparts(pipe, "star", pairs, said)
    for i, pair in enumerate(pairs):
        assert torch.allclose(together[i], counterparts(pipe, "star", [pair], said[i : i + 1])[0], atol=1e-5)
