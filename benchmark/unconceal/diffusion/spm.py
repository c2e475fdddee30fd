"""SPM's network (arXiv 2312.16145) at work: low-rank updates that act on each row as strongly as its prompt resembles an erased one.

As the method's released inference does it, which is what its pictures come from:

- m(prompt) = max over erased prompts of max(cosine of the flattened text embeddings, share of the erased prompt's tokens that the prompt
  has), and both halves of guidance run with the m of the prompt.
- The code multiplies up *and* down with m, so the updates act with m². A prompt that names the concept has m = 1 either way.
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


def spm_strengths(membrane: SpmNetwork, pipe: Any, prompts: Sequence[str], embed: Any) -> Tensor:
    """m² of each prompt, (n,). ``embed``: prompts to text embeddings (n, tokens, width)."""
    unique = list(dict.fromkeys(prompts))
    said, erased = (embed(texts).flatten(1).float() for texts in (unique, membrane.prompts))
    alike = functional.cosine_similarity(said[:, None], erased[None], dim=-1)
    shared = torch.tensor([[_shared(pipe.tokenizer, prompt, gone) for gone in membrane.prompts] for prompt in unique]).to(alike)
    strongest = dict(zip(unique, torch.maximum(alike, shared).amax(1).square().tolist(), strict=True))
    return torch.tensor([strongest[prompt] for prompt in prompts], device=said.device)


def _shared(tokenizer: Any, prompt: str, erased: str) -> float:
    """Share of the erased prompt's tokens, without the special ones, that the prompt has."""
    own, gone = (set(tokenizer(text, truncation=True).input_ids) - set(tokenizer.all_special_ids) for text in (prompt, erased))
    return len(own & gone) / len(gone) if gone else 0.0


@contextmanager
def spm_hooks(membrane: SpmNetwork | None, unet: nn.Module, strength: Tensor | None) -> Iterator[None]:
    """While it lasts, every updated layer of the UNet adds strength · s · up(down(x)) to what it gives; afterwards nothing of it stays."""
    if membrane is None or strength is None:
        yield
        return
    hooks = [unet.get_submodule(name).register_forward_hook(_hook(update, strength)) for name, update in membrane.updates.items()]
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
