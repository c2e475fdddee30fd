"""Inference with an SPM network (arXiv 2312.16145): low-rank updates scaled by how much each prompt resembles an erased one.

As in the method's released code:

- m(prompt) = max over erased prompts of max(cosine of the flattened text embeddings, share of the erased prompt's tokens that the prompt
  has). Both halves of guidance use the m of the prompt.
- The code multiplies both up and down by m, so the updates are scaled by m². A prompt that names the concept has m = 1 either way.
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
    """m² of each of n prompts.

    Args:
        spm: the network and the prompts that it erases.
        pipeline: whose tokenizer is used.
        prompts: n prompts.
        embed: prompts to text embeddings (n, tokens, width).

    Returns:
        (n,) strengths in [0, 1].
    """
    unique = list(dict.fromkeys(prompts))
    with torch.no_grad():
        embeds, erased = (embed(texts).flatten(1).float() for texts in (unique, spm.prompts))
    similarity = functional.cosine_similarity(embeds[:, None], erased[None], dim=-1)
    shared = torch.tensor([[_token_share(pipeline.tokenizer, prompt, other) for other in spm.prompts] for prompt in unique]).to(similarity)
    strongest = dict(zip(unique, torch.maximum(similarity, shared).amax(1).square().tolist(), strict=True))
    return torch.tensor([strongest[prompt] for prompt in prompts], device=embeds.device)


def _token_share(tokenizer: Any, prompt: str, erased: str) -> float:
    """Share of the erased prompt's tokens, without the special ones, that the prompt has."""
    tokens, erased_tokens = (set(tokenizer(text, truncation=True).input_ids) - set(tokenizer.all_special_ids) for text in (prompt, erased))
    return len(tokens & erased_tokens) / len(erased_tokens) if erased_tokens else 0.0


@contextmanager
def spm_hooks(spm: SpmNetwork | None, unet: nn.Module, strength: Tensor | None) -> Iterator[None]:
    """In this context every updated layer of the UNet adds strength · s · up(down(x)) to its output.

    Args:
        spm: the network; None: no change.
        unet: the denoiser.
        strength: (n,) of each row; None: no change.
    """
    if spm is None or strength is None:
        yield
        return
    hooks = [unet.get_submodule(name).register_forward_hook(_hook(update, strength)) for name, update in spm.updates.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _hook(update: LowRank, strength: Tensor) -> Any:
    def hook(layer: nn.Linear | nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        down, up = update.down.to(x), update.up.to(x)
        if isinstance(layer, nn.Conv2d):
            kernel = down if down.ndim == 4 else down[:, :, None, None]
            low = functional.conv2d(x, kernel, None, layer.stride, layer.padding)
            added = functional.conv2d(low, up.reshape(*up.shape[:2], 1, 1))
        else:
            added = functional.linear(functional.linear(x, down.flatten(1)), up.flatten(1))
        return output + (update.scale * strength.to(x)).view(-1, *[1] * (output.ndim - 1)) * added

    return hook
