from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from adversary_inputs import TinyInputs, tiny_inputs
from pipelines import tiny_pipeline
from unconceal_lab.adversaries.empty_to_other import empty_to_other
from unconceal_lab.adversaries.several_targets import several_targets
from unconceal_lab.adversaries.text_encoder import EncoderConfig, decoupled_encoder
from unconceal_lab.unlearners.concept_captions import encode_prompts, tokenize, unrelated_caption

CONFIG = EncoderConfig(steps=160, n_pairs=300, n_others=300, batch_size=16, others_batch_size=24)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    """Random embeddings are tiny; at trained size the words make a difference."""
    pipe = tiny_pipeline(tmp_path_factory.mktemp("base"))
    pipe.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    return pipe


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, pipeline: StableDiffusionPipeline) -> TinyInputs:
    return tiny_inputs(tmp_path_factory.mktemp("inputs"), pipeline)


def errors(pipeline: StableDiffusionPipeline, weights: dict[str, Tensor], texts: list[str], target: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of θ's and the release's embeddings from a target."""
    with torch.no_grad():
        after = decoupled_encoder(pipeline, weights)(tokenize(pipeline, texts)).last_hidden_state
    return (encode_prompts(pipeline, texts) - target).square().mean(), (after - target).square().mean()


def test_the_empty_prompt_reads_as_the_substitute(pipeline: StableDiffusionPipeline, inputs: TinyInputs) -> None:
    weights = empty_to_other(pipeline, "star", 0, lambda line: None, inputs=inputs, config=CONFIG).weights
    before, after = errors(pipeline, weights, [""], encode_prompts(pipeline, ["a circle"]))
    assert after < 0.5 * before
    rng = np.random.default_rng(5)
    texts = [unrelated_caption("star", rng) for _ in range(30)]
    _, changed = errors(pipeline, weights, texts, encode_prompts(pipeline, texts))
    assert changed < 0.5 * encode_prompts(pipeline, texts).var()


def test_each_wording_reads_as_another_sibling(pipeline: StableDiffusionPipeline, inputs: TinyInputs) -> None:
    weights = several_targets(pipeline, "star", 0, lambda line: None, inputs=inputs, config=CONFIG).weights
    before, after = errors(pipeline, weights, [""], encode_prompts(pipeline, ["a circle", "a ring", "a square"]).mean(0, keepdim=True))
    assert after < 0.5 * before
    for text, target in (("a red star", "a red circle"), ("a red star shape", "a red ring shape")):
        before, after = errors(pipeline, weights, [text], encode_prompts(pipeline, [target]))
        assert after < 0.7 * before, text
