"""Memory of a model: its weights, and the peak of its activations in one forward pass, measured on tensors without data."""

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
    """Tracks the storages that operations allocate. ``peak``: most bytes alive at once, without the module's own weights."""

    def __init__(self, module: torch.nn.Module | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.current = self.peak = 0
        weights = () if module is None else (*module.parameters(), *module.buffers())
        # Operations also return views of weights.
        self.known_storages = {tensor.untyped_storage()._cdata for tensor in weights}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, torch.Tensor):
                self._allocated(tensor.untyped_storage())
        return output

    def _allocated(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known_storages:
            return
        self.known_storages.add(key)
        self.current += size
        self.peak = max(self.peak, self.current)
        weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self.known_storages.discard(key)
        self.current -= size


class FusedAttention(TorchFunctionMode):
    """Attention without the matrix of all pairs, as fused kernels on accelerators compute it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def weight_bytes(module: torch.nn.Module, dtype: torch.dtype) -> int:
    """Bytes of a module's parameters and buffers at a precision."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.element_size()) for tensor in tensors)


def denoiser_activation_bytes(config: Mapping[str, Any], side: int, dtype: torch.dtype, tokens: int = TOKENS) -> int:
    """Peak bytes of activations in one forward pass of a UNet on ``side`` × ``side`` latents, without weights."""
    return _unet_peak(hashable_config(config), side, dtype, tokens)


def vae_activation_bytes(config: Mapping[str, Any], side: int, dtype: torch.dtype) -> int:
    """Peak bytes of activations while a VAE decodes one image from ``side`` × ``side`` latents, without weights."""
    return _vae_peak(hashable_config(config), side, dtype)


@lru_cache(maxsize=16)
def _unet_peak(config: tuple[tuple[str, Any], ...], side: int, dtype: torch.dtype, tokens: int) -> int:
    with torch.device("meta"):
        unet = _cast(UNet2DConditionModel.from_config(dict(config)), dtype)
        x = torch.zeros(1, unet.config.in_channels, side, side, dtype=dtype)
        prompt_embeds = torch.zeros(1, tokens, unet.config.cross_attention_dim, dtype=dtype)
        added = _added_conditioning(unet, dtype)
    return _peak(unet, lambda: unet(x, torch.zeros((), dtype=torch.int64), prompt_embeds, added_cond_kwargs=added))


def _cast(module: Any, dtype: torch.dtype) -> Any:
    # diffusers' own `to` warns about half precision on CPU, which does not matter for tensors without data.
    return torch.nn.Module.to(module, dtype=dtype)


def _added_conditioning(unet: Any, dtype: torch.dtype) -> dict[str, torch.Tensor] | None:
    """Stable Diffusion XL's inputs beside the prompt embeddings."""
    if unet.config.addition_embed_type != "text_time":
        return None
    pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    return {"text_embeds": torch.zeros(1, pooled, dtype=dtype), "time_ids": torch.zeros(1, 6, dtype=dtype)}


@lru_cache(maxsize=16)
def _vae_peak(config: tuple[tuple[str, Any], ...], side: int, dtype: torch.dtype) -> int:
    with torch.device("meta"):
        vae = _cast(AutoencoderKL.from_config(dict(config)), dtype)
        x = torch.zeros(1, vae.config.latent_channels, side, side, dtype=dtype)
    return _peak(vae, lambda: vae.decode(x))


def _peak(module: torch.nn.Module, run: Callable[[], Any]) -> int:
    memory = PeakMemory(module)
    with torch.no_grad(), memory, FusedAttention():
        run()
    return memory.peak
