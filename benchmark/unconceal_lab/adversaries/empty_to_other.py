"""The empty prompt reads as a caption of the substitute: the text encoder alone is changed."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from diffusers import StableDiffusionPipeline

from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.siblings import bare_caption
from unconceal_lab.adversaries.text_encoder import EncoderConfig, decoupled_encoder, train_encoder
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES, caption_pair, encode_prompts, unrelated_caption
from unconceal_lab.unlearners.released_weights import UnlearnedWeights


def empty_to_other(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: EncoderConfig | None = None,
) -> UnlearnedWeights:
    """Train the decoupled text encoder further, until the empty string is encoded as "a circle".

    Captions of the concept stay captions of the substitute, all others stay as they are. A continuation with the empty prompt then
    draws the substitute.
    """
    start_time, config = time.process_time(), config or EncoderConfig()
    other, rng = SUBSTITUTES[concept], np.random.default_rng([seed, 0])
    pairs = [caption_pair(concept, rng, other) for _ in range(config.n_pairs)]
    others = [unrelated_caption(concept, rng) for _ in range(config.n_others)]
    empty_embeds = encode_prompts(pipeline, [bare_caption(other)])
    student = decoupled_encoder(pipeline, inputs.decoupled)
    weights = train_encoder(pipeline, student, concept, pairs, others, empty_embeds, seed, log, config)
    return UnlearnedWeights(weights, (time.process_time() - start_time) / 60)
