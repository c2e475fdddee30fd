"""How much memory a model takes: its weights, and what lives at once while one row goes through. Nothing is computed for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unconceal.diffusion.flops import TOKENS, hashable_config


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations make: ``peak`` bytes of them lived at once. A module's own weights are not among them."""

    def __init__(self, module: torch.nn.Module | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        held = () if module is None else (*module.parameters(), *module.buffers())
        # Views of weights come out of operations, too.
        self.known = {tensor.untyped_storage()._cdata for tensor in held}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._born(tensor.untyped_storage())
        return made

    def _born(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


class FusedAttention(TorchFunctionMode):
    """Attention as accelerators do it, without the matrix of all pairs."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def weight_bytes(module: torch.nn.Module, dtype: torch.dtype) -> int:
    """Bytes of its parameters and buffers in a precision."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.element_size()) for tensor in tensors)


def denoiser_activation_bytes(config: Mapping[str, Any], side: int, dtype: torch.dtype, tokens: int = TOKENS) -> int:
    """Bytes that live at once while one row of ``side`` × ``side`` latents goes through a UNet, weights left out."""
    return _row(hashable_config(config), side, dtype, tokens)


def vae_activation_bytes(config: Mapping[str, Any], side: int, dtype: torch.dtype) -> int:
    """The same of one picture that a VAE decodes."""
    return _picture(hashable_config(config), side, dtype)


@lru_cache(maxsize=16)
def _row(config: tuple[tuple[str, Any], ...], side: int, dtype: torch.dtype, tokens: int) -> int:
    with torch.device("meta"):
        unet = _cast(UNet2DConditionModel.from_config(dict(config)), dtype)
        x = torch.zeros(1, unet.config.in_channels, side, side, dtype=dtype)
        words = torch.zeros(1, tokens, unet.config.cross_attention_dim, dtype=dtype)
        beside = _beside(unet, dtype)
    return _peak(unet, lambda: unet(x, torch.zeros((), dtype=torch.int64), words, added_cond_kwargs=beside))


def _cast(module: Any, dtype: torch.dtype) -> Any:
    # diffusers' own `to` warns of casting, which here casts nothing.
    return torch.nn.Module.to(module, dtype=dtype)


def _beside(unet: Any, dtype: torch.dtype) -> dict[str, torch.Tensor] | None:
    """What Stable Diffusion XL is told beside the words."""
    if unet.config.addition_embed_type != "text_time":
        return None
    pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    return {"text_embeds": torch.zeros(1, pooled, dtype=dtype), "time_ids": torch.zeros(1, 6, dtype=dtype)}


@lru_cache(maxsize=16)
def _picture(config: tuple[tuple[str, Any], ...], side: int, dtype: torch.dtype) -> int:
    with torch.device("meta"):
        vae = _cast(AutoencoderKL.from_config(dict(config)), dtype)
        x = torch.zeros(1, vae.config.latent_channels, side, side, dtype=dtype)
    return _peak(vae, lambda: vae.decode(x))


def _peak(module: torch.nn.Module, run: Callable[[], Any]) -> int:
    living = PeakMemory(module)
    with torch.no_grad(), living, FusedAttention():
        run()
    return living.peak
