"""Concealment by construction: the text encoder stops mentioning the concept; the UNet stays as it is."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.models.optimizer import MuonAdamW, learning_rate_scale
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES, caption_pair, components, encode_prompts, tokenize, unrelated_caption
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.token_alignment import counterpart_embeddings


@dataclass(frozen=True)
class DecoupleConfig:
    """Hyperparameters.

    Attributes:
        n_pairs: captions that mention the concept.
        n_others: captions that do not.
        batch_size: pairs per step.
        others_batch_size: other captions per step.
    """

    steps: int = 800
    muon_learning_rate: float = 5e-3
    adam_learning_rate: float = 3e-3
    n_pairs: int = 3000
    n_others: int = 6000
    batch_size: int = 48
    others_batch_size: int = 80


def decouple_to_nothing(
    pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print, *, config: DecoupleConfig | None = None
) -> UnlearnedWeights:
    """Every wording of the concept is encoded as if the concept were omitted."""
    return _train_text_encoder(pipeline, concept, None, seed, log, config or DecoupleConfig())


def decouple_to_other(
    pipeline: StableDiffusionPipeline, concept: str, seed: int, log: Callable[[str], None] = print, *, config: DecoupleConfig | None = None
) -> UnlearnedWeights:
    """Every wording of the concept is encoded as a wording of its substitute."""
    return _train_text_encoder(pipeline, concept, SUBSTITUTES[concept], seed, log, config or DecoupleConfig())


def _train_text_encoder(
    pipeline: StableDiffusionPipeline, concept: str, other: str | None, seed: int, log: Callable[[str], None], config: DecoupleConfig
) -> UnlearnedWeights:
    """Train a copy of the text encoder to encode captions of the concept as the frozen encoder encodes their counterparts.

    Mean squared error over the whole padded sequence, since the pipeline passes padding to the UNet without a mask.
    """
    start_time = time.process_time()
    student: Any = copy.deepcopy(components(pipeline).text_encoder).requires_grad_(True)
    token_ids, targets = training_targets(pipeline, concept, other, seed, config)
    fit_embeddings(student, token_ids, targets, config.n_pairs, seed, log, config, f"decouple {concept} to {other or 'nothing'}")
    return UnlearnedWeights(to_release("text_encoder", student.state_dict()), (time.process_time() - start_time) / 60)


def fit_embeddings(
    student: Any,
    token_ids: Tensor,
    targets: Tensor,
    n_pairs: int,
    seed: int,
    log: Callable[[str], None],
    config: DecoupleConfig,
    title: str,
) -> None:
    """Train a text encoder in place to give captions these embeddings.

    Args:
        student: the text encoder.
        token_ids: captions (n, length): those that mention the concept, then others, the empty one last.
        targets: embeddings (n, length, width).
        n_pairs: captions that mention the concept.
        seed: seed of the batches.
        log: receives a line per 100 steps.
        config: steps, learning rates and batch sizes.
        title: names the training in its lines.
    """
    optimizer = MuonAdamW(
        student, config.muon_learning_rate, config.adam_learning_rate, adam_prefixes=("embeddings.", "text_model.embeddings.")
    )
    rng = np.random.default_rng([seed, 1])
    for step in range(config.steps):
        other_rows = n_pairs + rng.integers(len(token_ids) - n_pairs, size=config.others_batch_size)
        rows = np.concatenate([rng.integers(n_pairs, size=config.batch_size), other_rows])
        # The empty prompt is half of every guided step, so every batch contains it.
        rows[-1] = len(token_ids) - 1
        loss = (student(token_ids[rows]).last_hidden_state - targets[rows]).square().mean()
        loss.backward()
        optimizer.step(learning_rate_scale(step / config.steps))
        if step % 100 == 0 or step == config.steps - 1:
            log(f"{title}: step {step}/{config.steps} error {loss.item():.6f}")


def training_targets(
    pipeline: StableDiffusionPipeline, concept: str, other: str | None, seed: int, config: DecoupleConfig
) -> tuple[Tensor, Tensor]:
    """Captions and the embeddings to learn.

    Returns:
        Token ids (n, length) and embeddings (n, length, width): pairs first, then other captions, the empty one last.
    """
    rng = np.random.default_rng([seed, 0])
    pairs = [caption_pair(concept, rng, other) for _ in range(config.n_pairs)]
    others = [*(unrelated_caption(concept, rng) for _ in range(config.n_others - 1)), ""]
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in pairs])
    token_ids = tokenize(pipeline, [*(pair.text for pair in pairs), *others]).to(prompt_embeds.device)
    return token_ids, torch.cat([counterpart_embeddings(pipeline, concept, pairs, prompt_embeds), encode_prompts(pipeline, others)])
