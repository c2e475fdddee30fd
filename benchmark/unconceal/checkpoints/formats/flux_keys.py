"""Keys of Black Forest Labs' own FLUX code, whole or partial, as its users and ComfyUI save a transformer.

diffusers' conversion takes whole transformers of one width only, so the names are listed here; the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict
from unconceal.checkpoints.release import Group, Reading
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

KEYS = re.compile(r"(?:double_blocks|single_blocks)\.\d+\.|(?:img|txt|time|vector|guidance)_in\.|final_layer\.")
BLOCK = re.compile(r"(double|single)_blocks\.(\d+)\.(.+)\.(weight|bias|scale)")
ENDS: dict[str, tuple[str, ...]] = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "final_layer.linear": ("proj_out",),
    "final_layer.adaLN_modulation.1": ("norm_out.linear",),
    **{
        f"{old}_in.{side}_layer": (f"time_text_embed.{new}_embedder.linear_{number}",)
        for old, new in (("time", "timestep"), ("vector", "text"), ("guidance", "guidance"))
        for side, number in (("in", 1), ("out", 2))
    },
}
"""Modules outside the blocks: their names in diffusers."""
DOUBLE: dict[str, tuple[str, ...]] = {
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.norm.query_norm": ("attn.norm_q",),
    "img_attn.norm.key_norm": ("attn.norm_k",),
    "txt_attn.norm.query_norm": ("attn.norm_added_q",),
    "txt_attn.norm.key_norm": ("attn.norm_added_k",),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
}
SINGLE: dict[str, tuple[str, ...]] = {
    "modulation.lin": ("norm.linear",),
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "norm.query_norm": ("attn.norm_q",),
    "norm.key_norm": ("attn.norm_k",),
}
"""Modules of a block: their names in diffusers; several share the rows of one tensor."""


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return list(keys) if any(map(KEYS.match, keys)) else []


def read(group: Group, base: Base) -> Reading:
    if "transformer" not in base:
        raise CheckFailed("checkpoint.unknown-component", group.source, "holds a FLUX transformer, which the base does not have", ELSEWHERE)
    config: Any = base["transformer"].config
    return Reading(
        frozenset(group.tensors),
        tensors={"transformer": converted(group.tensors, config["num_attention_heads"] * config["attention_head_dim"], group.source)},
    )


def converted(tensors: StateDict, width: int, source: str) -> StateDict:
    """The tensors under diffusers' names. ``width``: of the transformer's hidden states."""
    state: StateDict = {}
    for key, tensor in tensors.items():
        names, ending = _names(key, source)
        for name, rows in zip(names, _split(tensor, len(names), width, key, source), strict=True):
            # The two codes order scale and shift of the last modulation differently.
            part = torch.cat(rows.chunk(2)[::-1]) if name == "norm_out.linear" else rows
            state[f"{name}.{ending}"] = part
    return state


def _names(key: str, source: str) -> tuple[list[str], str]:
    match = BLOCK.fullmatch(key)
    if match:
        kind, number, module, ending = match.groups()
        table, start = (DOUBLE, "transformer_blocks") if kind == "double" else (SINGLE, "single_transformer_blocks")
        names = [f"{start}.{number}.{name}" for name in table.get(module, ())]
    else:
        module, _, ending = key.rpartition(".")
        names = list(ENDS.get(module, ()))
    if not names:
        raise CheckFailed("checkpoint.unknown-keys", source, f"holds {shortened(key)!r}, which no FLUX transformer has", ELSEWHERE)
    return names, "weight" if ending == "scale" else ending


def _split(tensor: Tensor, n: int, width: int, key: str, source: str) -> Sequence[Tensor]:
    """The rows of each module; the last of four takes what is left."""
    if n == 1:
        return [tensor]
    rest = tensor.shape[0] - 3 * width if tensor.ndim else -1
    if rest != 0 if n == 3 else rest <= 0:
        consequence = f"gives {shortened(key)!r} {tuple(tensor.shape)}, where the base is {width} wide, so it is another architecture"
        raise CheckFailed("checkpoint.wrong-shape", source, consequence, ELSEWHERE)
    return torch.split(tensor, [width] * 3 + [rest] * (n - 3))
