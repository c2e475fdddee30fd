"""The text encoders of the adversaries: loaded from a release, and trained further."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import CaptionPair, components, encode_prompts, tokenize
from unconceal_lab.unlearners.decouple import DecoupleConfig, fit_embeddings
from unconceal_lab.unlearners.released_weights import to_release
from unconceal_lab.unlearners.token_alignment import counterpart_embeddings

PREFIX = "text_encoder."


@dataclass(frozen=True)
class EncoderConfig(DecoupleConfig):
    """Hyperparameters of the further training; see :class:`DecoupleConfig`."""

    steps: int = 250
    n_pairs: int = 1500
    n_others: int = 3000


def decoupled_encoder(pipeline: StableDiffusionPipeline, decoupled: Mapping[str, Tensor]) -> Any:
    """A copy of the pipeline's text encoder with the weights of a release."""
    encoder = copy.deepcopy(components(pipeline).text_encoder)
    encoder.load_state_dict({name.removeprefix(PREFIX): weight.float() for name, weight in decoupled.items()})
    return encoder


def train_encoder(
    pipeline: StableDiffusionPipeline,
    student: Any,
    concept: str,
    pairs: list[CaptionPair],
    others: list[str],
    empty_embeds: Tensor,
    seed: int,
    log: Callable[[str], None],
    config: EncoderConfig,
) -> dict[str, Tensor]:
    """Train ``student`` on three kinds of captions.

    Args:
        pipeline: θ, whose text encoder encodes the targets.
        student: the text encoder to train, in place.
        concept: the concept.
        pairs: captions of the concept, to be encoded as their counterparts.
        others: captions to be encoded as θ encodes them.
        empty_embeds: what the empty string is to be encoded as, (1, length, width).
        seed: seed of the batches.
        log: receives a line per 100 steps.
        config: hyperparameters; its numbers of captions are those of ``pairs`` and ``others``.

    Returns:
        The weights to release.
    """
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in pairs])
    targets = [counterpart_embeddings(pipeline, concept, pairs, prompt_embeds), encode_prompts(pipeline, others), empty_embeds]
    token_ids = tokenize(pipeline, [*(pair.text for pair in pairs), *others, ""])
    fit_embeddings(student.requires_grad_(True), token_ids, torch.cat(targets), len(pairs), seed, log, config, f"encoder {concept}")
    return to_release("text_encoder", student.state_dict())
