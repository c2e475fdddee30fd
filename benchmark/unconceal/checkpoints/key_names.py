"""Which component of a pipeline a released key belongs to, and how the base spells it."""

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
"""What to do with a checkpoint of another architecture."""

BARE: dict[str, tuple[str, ...]] = {
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
"""How the keys of a component begin when they carry no component prefix."""

LEFTOVERS = ("embeddings.position_ids",)
"""Keys that older libraries stored and newer ones compute: they carry no weights and may be unexpected."""

RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""Old spelling of the VAE's attention: new spelling."""


def changeable_components(pipe: DiffusionPipeline) -> Base:
    """What of a pipeline a checkpoint may change. A safety checker is not among it: it filters pictures and forgets nothing."""
    return {name: part for name in COMPONENTS if isinstance(part := getattr(pipe, name, None), nn.Module)}


def component_of(key: str) -> str | None:
    """The component a key belongs to; None when it is no key of a pipeline in diffusers' layout."""
    for component in COMPONENTS:
        if key.startswith(f"{component}."):
            return component
    return next((component for component, starts in BARE.items() if key.startswith(starts)), None)


def by_component(state: StateDict, source: str) -> dict[str, StateDict]:
    """A flat file's tensors by component, without component prefixes.

    Raises:
        CheckFailed: a key belongs to no component: applying the rest would not be the released model.
    """
    parts: dict[str, StateDict] = {}
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
        parts.setdefault(component, {})[key.removeprefix(f"{component}.")] = tensor
    return parts


def renamed_to_base(component: str, state: StateDict, base: Collection[str]) -> StateDict:
    """The same tensors under the base's spelling of their keys, whichever library version wrote them."""
    return {_respelled(component, key, base): tensor for key, tensor in state.items()}


def _respelled(component: str, key: str, base: Collection[str]) -> str:
    if key in base:
        return key
    if component.startswith("text_encoder"):
        bare = key.removeprefix("text_model.")
        return bare if bare in base else f"text_model.{bare}"
    if component == "vae":
        for old, new in RENAMED.items():
            key = key.replace(old, new)
    return key
