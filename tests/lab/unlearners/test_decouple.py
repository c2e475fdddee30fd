from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES, caption_pair, encode_prompts, unrelated_caption
from unconceal_lab.unlearners.decouple import DecoupleConfig, decouple_to_nothing, decouple_to_other
from unconceal_lab.unlearners.token_alignment import counterpart_embeddings

QUICK = DecoupleConfig(steps=160, n_pairs=600, n_others=600, batch_size=24, others_batch_size=24)


@pytest.mark.parametrize(("concept", "to_other"), [("star", True), ("striped", False)])
def test_captions_of_the_concept_read_as_their_counterparts(tmp_path: Path, concept: str, to_other: bool) -> None:
    pipeline = tiny_pipeline(tmp_path)
    # Random embeddings are tiny; at trained size the words make a difference worth erasing.
    pipeline.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    before = {name: value.clone() for name, value in pipeline.text_encoder.state_dict().items()}
    said_so: list[str] = []
    weights, _ = (decouple_to_other if to_other else decouple_to_nothing)(pipeline, concept, 0, said_so.append, config=QUICK)
    assert all(torch.equal(value, before[name]) for name, value in pipeline.text_encoder.state_dict().items()) and said_so
    assert set(weights) == {f"text_encoder.{name}" for name in before}

    rng, changed = np.random.default_rng(77), copy.copy(pipeline)
    changed.text_encoder = copy.deepcopy(pipeline.text_encoder)
    changed.text_encoder.load_state_dict({name.removeprefix("text_encoder."): value.float() for name, value in weights.items()})
    pairs = [caption_pair(concept, rng, SUBSTITUTES[concept] if to_other else None) for _ in range(60)]
    texts, retained = [pair.text for pair in pairs], [unrelated_caption(concept, rng) for _ in range(60)]
    prompt_embeds = encode_prompts(pipeline, texts)
    targets = counterpart_embeddings(pipeline, concept, pairs, prompt_embeds)
    distance = (prompt_embeds - targets).square().mean()
    assert (encode_prompts(changed, texts) - targets).square().mean() < 0.25 * distance
    assert (encode_prompts(changed, retained) - encode_prompts(pipeline, retained)).square().mean() < 0.25 * distance


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    pipeline, short = tiny_pipeline(tmp_path), DecoupleConfig(steps=3, n_pairs=20, n_others=20, batch_size=4, others_batch_size=4)
    first, second, other = (decouple_to_nothing(pipeline, "star", seed, lambda line: None, config=short).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )
