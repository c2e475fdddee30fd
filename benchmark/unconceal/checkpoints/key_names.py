"""Components and key names: which component a released key belongs to, and its name in the base."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from diffusers import DiffusionPipeline
from torch import Tensor, nn

from unconceal.specs.submission import COMPONENTS

StateDict = dict[str, Tensor]
Base = Mapping[str, nn.Module]
"""The components of the base that a checkpoint may change, by diffusers' names."""

ELSEWHERE = "submit it to a suite of its own base"
"""Remedy for a checkpoint of another architecture."""

UNPREFIXED: dict[str, tuple[str, ...]] = {
    "unet": (
        "conv_in.",
        "time_embedding.",
        "add_embedding.",
        "down_blocks.",
        "mid_block.",
        "up_blocks.",
        "conv_norm_out.",
        "conv_out.",
    ),
    "transformer": (
        "transformer_blocks.",
        "single_transformer_blocks.",
        "context_embedder.",
        "x_embedder.",
        "time_text_embed.",
        "norm_out.",
        "proj_out.",
        "pos_embed.",
    ),
    "text_encoder": ("text_model.", "embeddings.", "embedding.", "encoder.layers.", "final_layer_norm.", "text_projection."),
    "text_encoder_3": ("shared.", "encoder.block.", "encoder.final_layer_norm."),
    "vae": ("encoder.conv_", "encoder.down_blocks.", "encoder.mid_block.", "decoder.", "quant_conv.", "post_quant_conv."),
}
"""Starts of a component's keys without a component prefix."""

Copy = Literal["model", "ema"]
"""The trained weights themselves, or their exponential moving average."""


class Meaning(NamedTuple):
    """What a prefix says of the keys behind it."""

    component: str | None = None
    copy: Copy | None = None


CONTAINERS = (
    "state_dict",
    "model_state_dict",
    "net",
    "params",
    "weights",
    "generator",
    "model",
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
)
"""Tables and wrappers in which trainers, compilers and parallel modules save a state dict."""
AVERAGES = ("model_ema", "ema_model", "ema_state_dict", "params_ema", "ema")
"""Containers of averaged weights."""
PREFIXES: dict[str, Meaning] = {
    "model.diffusion_model.": Meaning("unet"),
    "diffusion_model.": Meaning("unet"),
    "first_stage_model.": Meaning("vae"),
    "cond_stage_model.transformer.": Meaning("text_encoder"),
    "cond_stage_model.model.": Meaning("text_encoder"),
    "conditioner.embedders.0.transformer.": Meaning("text_encoder"),
    "conditioner.embedders.1.model.": Meaning("text_encoder_2"),
    **{f"{component}.": Meaning(component) for component in COMPONENTS},
    **{f"{component}_state_dict.": Meaning(component) for component in COMPONENTS},
    "base_model.model.": Meaning(),
    **{f"{name}.": Meaning(copy="ema") for name in AVERAGES},
    **{f"{name}.": Meaning() for name in CONTAINERS},
}
"""Containers and prefixes of released keys, tried in this order; the names of nested tables are joined by dots."""

LEGACY_BUFFERS = ("embeddings.position_ids",)
"""Keys that older libraries stored and newer ones compute: they carry no weights and may be unexpected."""

CUSTOM_DIFFUSION = re.compile(r"\.processor\.(to_\w+)_custom_diffusion\.")
"""Custom Diffusion keeps the weights that replace a projection's in the attention's processor."""
RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""Old spelling of the VAE's attention: new spelling."""


def changeable_components(pipe: DiffusionPipeline) -> Base:
    """The components of a pipeline that a checkpoint may change. Not the safety checker: filtering images is not unlearning."""
    return {name: part for name in COMPONENTS if isinstance(part := getattr(pipe, name, None), nn.Module)}


class SplitKey(NamedTuple):
    """A released key.

    Attributes:
        prefix: containers and prefixes in front of it, as they stand in the file.
        component: that a prefix names.
        copy: which of two copies of the weights a prefix names.
        key: the rest.
    """

    prefix: str
    component: str | None
    copy: Copy | None
    key: str


def split_key(whole: str) -> SplitKey:
    """Take containers and prefixes off a released key: at each step the first row of :data:`PREFIXES` that fits."""
    key, component, copy = whole, None, None
    while prefix := next((prefix for prefix in PREFIXES if key.startswith(prefix) and len(key) > len(prefix)), None):
        meaning = PREFIXES[prefix]
        if component and meaning.component:
            break
        key, component, copy = key.removeprefix(prefix), meaning.component or component, meaning.copy or copy
    return SplitKey(whole.removesuffix(key), component, copy, key)


def component_of(key: str) -> str | None:
    """The component of a key without prefixes; None for a key outside diffusers' layout."""
    return next((component for component, starts in UNPREFIXED.items() if key.startswith(starts)), None)


def renamed_to_base(component: str, state: StateDict, base: Collection[str]) -> StateDict:
    """Rename keys of any library version to those of the base."""
    return {_base_key(component, key, base): tensor for key, tensor in state.items()}


def _base_key(component: str, key: str, base: Collection[str]) -> str:
    if key in base:
        return key
    key = key.replace(".base_layer.", ".")
    if component in ("unet", "transformer"):
        return CUSTOM_DIFFUSION.sub(r".\1.", key)
    if component.startswith("text_encoder"):
        # AdvUnlearn's text encoder holds its embeddings a second time as `embedding`.
        short = re.sub(r"^embedding\.", "embeddings.", key.removeprefix("text_model."))
        return short if short in base else f"text_model.{short}"
    if component == "vae":
        for old, new in RENAMED.items():
            key = key.replace(old, new)
    return key
