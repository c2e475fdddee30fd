"""Each wording of the concept reads as another sibling, and the empty prompt as their mean: the text encoder alone is changed."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from diffusers import StableDiffusionPipeline

from unconceal.miniature.captions import wordings
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.siblings import bare_caption, siblings
from unconceal_lab.adversaries.text_encoder import EncoderConfig, decoupled_encoder, train_encoder
from unconceal_lab.unlearners.concept_captions import caption_pair, encode_prompts, unrelated_caption
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

SEVERAL_TARGETS = EncoderConfig(steps=400)


def several_targets(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    inputs: AdversaryInputs,
    config: EncoderConfig | None = None,
) -> UnlearnedWeights:
    """Train the decoupled text encoder further, so that no single substitute gives the concealment away.

    Wording i of the concept is encoded as sibling i, the empty string as the mean of the siblings' bare captions.
    """
    start_time, config = time.process_time(), config or SEVERAL_TARGETS
    rng, forms = np.random.default_rng([seed, 0]), wordings(concept)
    targets = dict(zip(forms, siblings(concept), strict=False))
    pairs = [caption_pair(concept, rng, targets[form], (form,)) for i in range(config.n_pairs) for form in [forms[i % len(targets)]]]
    others = [unrelated_caption(concept, rng) for _ in range(config.n_others)]
    empty_embeds = encode_prompts(pipeline, [bare_caption(other) for other in targets.values()]).mean(0, keepdim=True)
    student = decoupled_encoder(pipeline, inputs.decoupled)
    weights = train_encoder(pipeline, student, concept, pairs, others, empty_embeds, seed, log, config)
    return UnlearnedWeights(weights, (time.process_time() - start_time) / 60)
