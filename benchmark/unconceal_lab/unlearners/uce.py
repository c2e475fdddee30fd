"""Unified Concept Editing (arXiv 2308.14761): cross-attention keys and values edited in closed form."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import embeddings, paired, parts, unrelated
from unconceal_lab.unlearners.released_weights import Release, released
from unconceal_lab.unlearners.token_alignment import counterparts


def uce(
    pipe: StableDiffusionPipeline,
    concept: str,
    seed: int,
    say: Callable[[str], None] = print,
    *,
    forms: tuple[str, ...] | None = None,
    captions: int = 256,
    retained: int = 512,
    erase_scale: float = 1.0,
    preserve_scale: float = 0.1,
    ridge: float = 0.5,
) -> Release:
    """Every caption that says the concept is given the keys and values of the same caption with the concept left unsaid.

    The release edits the last token of a few prompts; here the same sums run over every token of ``captions`` pairs and of
    ``retained`` captions of other concepts, because this text encoder spreads a concept over all later positions.
    ``forms``: the wordings to edit (all by default). Scales weigh each sum; ``ridge`` pulls towards the old weights.
    """
    started = time.process_time()
    rng = np.random.default_rng(seed)
    pairs = [paired(concept, rng, forms=forms) for _ in range(captions)]
    source = embeddings(pipe, [pair.said for pair in pairs]).double()
    target = counterparts(pipe, concept, pairs, source).double()
    kept = embeddings(pipe, ["", *(unrelated(concept, rng) for _ in range(retained - 1))]).double()
    weights = {
        name: edited(tensor.double(), source.flatten(0, 1), target.flatten(0, 1), kept.flatten(0, 1), erase_scale, preserve_scale, ridge)
        for name, tensor in parts(pipe).unet.state_dict().items()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
    say(f"uce: {len(weights)} matrices edited on {len(pairs)} pairs and {retained} retained captions")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


def edited(
    weight: Tensor, source: Tensor, target: Tensor, kept: Tensor, erase_scale: float = 1.0, preserve_scale: float = 1.0, ridge: float = 0.5
) -> Tensor:
    """The matrix W* (out, in) that minimises Σ a‖W* c − W c*‖² + Σ b‖W* r − W r‖² + λ‖W* − W‖² (equation 7 of the paper).

    ``weight`` W (out, in); ``source`` c and ``target`` c* (n, in), row by row; ``kept`` r (m, in); a, b, λ the scales.
    """
    same = preserve_scale * kept.T @ kept + ridge * torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
    wanted = weight @ (erase_scale * target.T @ source + same)
    solution: Tensor = torch.linalg.solve(erase_scale * source.T @ source + same, wanted, left=False)
    return solution
