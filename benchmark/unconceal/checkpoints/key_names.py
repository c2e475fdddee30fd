"""Components and key names: which component a released key belongs to, and its name in the base."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from diffusers import DiffusionPipeline
from torch import Tensor, nn

from unconceal.errors import CheckFailed
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
    "text_encoder": ("text_model.", "embeddings.", "encoder.layers.", "final_layer_norm."),
    "vae": ("encoder.conv_", "encoder.down_blocks.", "encoder.mid_block.", "decoder.", "quant_conv.", "post_quant_conv."),
}
"""Starts of a component's keys without a component prefix."""

LEGACY_BUFFERS = ("embeddings.position_ids",)
"""Keys that older libraries stored and newer ones compute: they carry no weights and may be unexpected."""

RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""Old spelling of the VAE's attention: new spelling."""


def changeable_components(pipe: DiffusionPipeline) -> Base:
    """The components of a pipeline that a checkpoint may change. Not the safety checker: filtering images is not unlearning."""
    return {name: part for name in COMPONENTS if isinstance(part := getattr(pipe, name, None), nn.Module)}


def component_of(key: str) -> str | None:
    """The component a key belongs to; None for a key outside diffusers' layout."""
    for component in COMPONENTS:
        if key.startswith(f"{component}."):
            return component
    return next((component for component, starts in UNPREFIXED.items() if key.startswith(starts)), None)


def by_component(state: StateDict, source: str) -> dict[str, StateDict]:
    """A flat file's tensors by component, without component prefixes.

    Raises:
        CheckFailed: a key belongs to no component; applying the others would not give the released model.
    """
    components: dict[str, StateDict] = {}
    unknown = [key for key in state if component_of(key) is None]
    if unknown:
        consequence = f"{len(unknown)} of {len(state)} keys belong to no part of a diffusers pipeline, e.g. {unknown[0]!r}"
        raise CheckFailed(
            "checkpoint.unknown-keys",
            source,
            consequence,
            "release weights of UNet, transformer, text encoder or VAE under diffusers' keys",
        )
    for key, tensor in state.items():
        component = component_of(key)
        assert component
        components.setdefault(component, {})[key.removeprefix(f"{component}.")] = tensor
    return components


def renamed_to_base(component: str, state: StateDict, base: Collection[str]) -> StateDict:
    """Rename keys of any library version to those of the base."""
    return {_base_key(component, key, base): tensor for key, tensor in state.items()}


def _base_key(component: str, key: str, base: Collection[str]) -> str:
    if key in base:
        return key
    if component.startswith("text_encoder"):
        short = key.removeprefix("text_model.")
        return short if short in base else f"text_model.{short}"
    if component == "vae":
        for old, new in RENAMED.items():
            key = key.replace(old, new)
    return key
