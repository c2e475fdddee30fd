"""Unified Concept Editing (arXiv 2308.14761): closed-form edit of cross-attention keys and values."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import caption_pair, components, encode_prompts, unrelated_caption
from unconceal_lab.unlearners.released_weights import UnlearnedWeights, to_release
from unconceal_lab.unlearners.token_alignment import counterpart_embeddings


def uce(
    pipeline: StableDiffusionPipeline,
    concept: str,
    seed: int,
    log: Callable[[str], None] = print,
    *,
    forms: tuple[str, ...] | None = None,
    n_pairs: int = 256,
    n_retain: int = 512,
    erase_scale: float = 1.0,
    preserve_scale: float = 0.1,
    ridge: float = 0.5,
) -> UnlearnedWeights:
    """Map keys and values of captions that mention the concept to those of the same captions without it.

    The paper edits the last token of a few prompts. Here the sums run over all tokens of ``n_pairs`` pairs and ``n_retain`` captions of
    other concepts, because this text encoder spreads a concept over all later positions.

    Args:
        pipeline: the base; not changed.
        concept: the concept.
        seed: seed of the captions.
        log: receives one line.
        forms: wordings to edit; all by default.
        n_pairs: captions that mention the concept.
        n_retain: captions that do not.
        erase_scale: weight of the edited captions.
        preserve_scale: weight of the retained captions.
        ridge: weight of the distance to the old matrices.
    """
    start_time = time.process_time()
    rng = np.random.default_rng(seed)
    pairs = [caption_pair(concept, rng, forms=forms) for _ in range(n_pairs)]
    source = encode_prompts(pipeline, [pair.text for pair in pairs]).double()
    target = counterpart_embeddings(pipeline, concept, pairs, source).double()
    retained = encode_prompts(pipeline, ["", *(unrelated_caption(concept, rng) for _ in range(n_retain - 1))]).double()
    weights = {
        name: edit_matrix(
            tensor.double(), source.flatten(0, 1), target.flatten(0, 1), retained.flatten(0, 1), erase_scale, preserve_scale, ridge
        )
        for name, tensor in components(pipeline).unet.state_dict().items()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
    log(f"uce: {len(weights)} matrices edited on {len(pairs)} pairs and {n_retain} retained captions")
    return UnlearnedWeights(to_release("unet", weights), (time.process_time() - start_time) / 60)


def edit_matrix(
    weight: Tensor,
    source: Tensor,
    target: Tensor,
    retained: Tensor,
    erase_scale: float = 1.0,
    preserve_scale: float = 1.0,
    ridge: float = 0.5,
) -> Tensor:
    """The matrix W* that minimises Σ a‖W* c − W c*‖² + Σ b‖W* r − W r‖² + λ‖W* − W‖² (equation 7 of the paper).

    Args:
        weight: W (out, in).
        source: c (n, in).
        target: c* (n, in), row by row.
        retained: r (m, in).
        erase_scale: a.
        preserve_scale: b.
        ridge: λ.

    Returns:
        W* (out, in).
    """
    shared = preserve_scale * retained.T @ retained + ridge * torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
    right_side = weight @ (erase_scale * target.T @ source + shared)
    solution: Tensor = torch.linalg.solve(erase_scale * source.T @ source + shared, right_side, left=False)
    return solution
