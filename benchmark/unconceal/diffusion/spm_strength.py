"""Inference with an SPM network (arXiv 2312.16145): low-rank updates scaled by how much each prompt resembles an erased one.

As in the method's released code:

- m(prompt) = max over erased prompts of max(cosine of the flattened text embeddings, share of the erased prompt's tokens that the prompt
  has). Both halves of guidance use the m of the prompt.
- The code multiplies both up and down by m, and adds up the factors of several membranes before it multiplies them. So a layer adds
  s · (Σ mᵢ upᵢ)((Σ mⱼ downⱼ) x), for one membrane s · m² · up(down x). A prompt that names the concept has m = 1 either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unconceal.checkpoints.low_rank import LowRank
from unconceal.checkpoints.release import SpmNetwork


def spm_strengths(spm: SpmNetwork, pipeline: Any, prompts: Sequence[str], embed: Any) -> Tensor:
    """m of each of n prompts for each of k membranes.

    Args:
        spm: the membranes and the prompts that they erase.
        pipeline: whose tokenizer is used.
        prompts: n prompts.
        embed: prompts to text embeddings (n, tokens, width).

    Returns:
        (n, k) strengths in [0, 1].
    """
    unique = list(dict.fromkeys(prompts))
    columns = [_strengths(membrane.prompts, pipeline, unique, embed) for membrane in spm.membranes]
    strongest = dict(zip(unique, torch.stack(columns, 1).tolist(), strict=True))
    return torch.tensor([strongest[prompt] for prompt in prompts], device=columns[0].device)


def _strengths(erased_prompts: Sequence[str], pipeline: Any, prompts: Sequence[str], embed: Any) -> Tensor:
    """m (n,) of n prompts for one membrane."""
    with torch.no_grad():
        embeds, erased = (embed(texts).flatten(1).float() for texts in (prompts, erased_prompts))
    similarity = functional.cosine_similarity(embeds[:, None], erased[None], dim=-1)
    shared = torch.tensor([[_token_share(pipeline.tokenizer, prompt, other) for other in erased_prompts] for prompt in prompts])
    return torch.maximum(similarity, shared.to(similarity)).amax(1)


def _token_share(tokenizer: Any, prompt: str, erased: str) -> float:
    """Share of the erased prompt's tokens, without the special ones, that the prompt has."""
    tokens, erased_tokens = (set(tokenizer(text, truncation=True).input_ids) - set(tokenizer.all_special_ids) for text in (prompt, erased))
    return len(tokens & erased_tokens) / len(erased_tokens) if erased_tokens else 0.0


@contextmanager
def spm_hooks(spm: SpmNetwork | None, unet: nn.Module, strength: Tensor | None) -> Iterator[None]:
    """In this context every updated layer of the UNet adds s · (Σ mᵢ upᵢ)((Σ mⱼ downⱼ) x) to its output.

    Args:
        spm: the network; None: no change.
        unet: the denoiser.
        strength: (n, k), m of each row for each membrane; None: no change.
    """
    if spm is None or strength is None:
        yield
        return
    hooks = [unet.get_submodule(name).register_forward_hook(_hook(_of_layer(spm, name), strength)) for name in spm.modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _of_layer(spm: SpmNetwork, name: str) -> list[tuple[int, LowRank]]:
    """A layer's updates, by the number of their membrane."""
    return [(number, membrane.updates[name]) for number, membrane in enumerate(spm.membranes) if name in membrane.updates]


def _hook(updates: Sequence[tuple[int, LowRank]], strength: Tensor) -> Any:
    def hook(layer: nn.Linear | nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        rows = {number: strength[:, number].to(x).view(-1, *[1] * (output.ndim - 1)) for number, _ in updates}
        low = sum((rows[number] * _down(layer, update, x) for number, update in updates), torch.zeros((), device=x.device, dtype=x.dtype))
        # All membranes have the same α and rank.
        return output + updates[0][1].scale * sum(
            (rows[number] * _up(layer, update, low) for number, update in updates), torch.zeros((), device=x.device, dtype=x.dtype)
        )

    return hook


def _down(layer: nn.Linear | nn.Conv2d, update: LowRank, x: Tensor) -> Tensor:
    down = update.down.to(x)
    if isinstance(layer, nn.Conv2d):
        kernel = down if down.ndim == 4 else down[:, :, None, None]
        return functional.conv2d(x, kernel, None, layer.stride, layer.padding)
    return functional.linear(x, down.flatten(1))


def _up(layer: nn.Linear | nn.Conv2d, update: LowRank, low: Tensor) -> Tensor:
    up = update.up.to(low)
    if isinstance(layer, nn.Conv2d):
        return functional.conv2d(low, up.reshape(*up.shape[:2], 1, 1))
    return functional.linear(low, up.flatten(1))
