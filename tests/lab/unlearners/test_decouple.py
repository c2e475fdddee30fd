from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import OTHER, embeddings, paired, unrelated
from unconceal_lab.unlearners.decouple import Settings, decouple_to_nothing, decouple_to_other
from unconceal_lab.unlearners.token_alignment import counterparts

QUICK = Settings(steps=160, pairs=600, others=600, batch=24, batch_others=24)


@pytest.mark.parametrize(("concept", "to_other"), [("star", True), ("striped", False)])
def test_captions_of_the_concept_read_as_their_counterparts(tmp_path: Path, concept: str, to_other: bool) -> None:
    pipe = tiny_pipeline(tmp_path)
    # Random embeddings are tiny; at trained size the words make a difference worth erasing.
    pipe.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    before = {name: value.clone() for name, value in pipe.text_encoder.state_dict().items()}
    said_so: list[str] = []
    weights, _ = (decouple_to_other if to_other else decouple_to_nothing)(pipe, concept, 0, said_so.append, settings=QUICK)
    assert all(torch.equal(value, before[name]) for name, value in pipe.text_encoder.state_dict().items()) and said_so
    assert set(weights) == {f"text_encoder.{name}" for name in before}

    rng, changed = np.random.default_rng(77), copy.copy(pipe)
    changed.text_encoder = copy.deepcopy(pipe.text_encoder)
    changed.text_encoder.load_state_dict({name.removeprefix("text_encoder."): value.float() for name, value in weights.items()})
    pairs = [paired(concept, rng, OTHER[concept] if to_other else None) for _ in range(60)]
    texts, kept = [pair.said for pair in pairs], [unrelated(concept, rng) for _ in range(60)]
    said = embeddings(pipe, texts)
    wanted = counterparts(pipe, concept, pairs, said)
    distance = (said - wanted).square().mean()
    assert (embeddings(changed, texts) - wanted).square().mean() < 0.25 * distance
    assert (embeddings(changed, kept) - embeddings(pipe, kept)).square().mean() < 0.25 * distance


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    pipe, short = tiny_pipeline(tmp_path), Settings(steps=3, pairs=20, others=20, batch=4, batch_others=4)
    one, two, three = (decouple_to_nothing(pipe, "star", seed, lambda line: None, settings=short).weights for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and any(not torch.equal(one[name], three[name]) for name in one)
