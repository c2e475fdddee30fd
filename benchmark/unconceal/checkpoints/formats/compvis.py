"""Keys of the original latent-diffusion code (CompVis, LDM), whole or partial, as SalUn, EraseDiff or the first ESD release them.

diffusers' own conversion translates them. The text encoder of SD 1 has transformers' keys there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.loaders import single_file_utils as ldm
from torch import nn

from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict
from unconceal.checkpoints.release import Group, Reading
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

UNET, VAE, OPEN_CLIP = "model.diffusion_model.", "first_stage_model.", "open_clip."
UNUSED = "OpenCLIP's last layer and projection, which the base's text encoder leaves out"
KEYS = {
    "unet": re.compile(r"(input_blocks|middle_block|output_blocks)\.\d+\.|(time_embed|out|label_emb)\.\d"),
    "vae": re.compile(r"(encoder|decoder)\.((down|up)\.\d|mid\.(block|attn)_\d)"),
    "text_encoder": re.compile(r"transformer\.resblocks\.\d+\."),
}
"""Keys that only the original code has."""


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return list(keys) if _component(keys, component) else []


def _component(keys: Sequence[str], component: str | None) -> str | None:
    kinds = KEYS if component is None else {component: KEYS.get(component.removesuffix("_2"))}
    return next((name for name, pattern in kinds.items() if pattern and any(map(pattern.match, keys))), None)


def read(group: Group, base: Base) -> Reading:
    component = _component(list(group.tensors), group.component)
    assert component
    if component not in base:
        raise CheckFailed("checkpoint.unknown-component", group.source, f"holds a {component}, which the base does not have", ELSEWHERE)
    convert = _unet if component == "unet" else _vae if component == "vae" else _open_clip
    try:
        converted, marked = convert(group.tensors, base[component]), convert(_marks(group.tensors), base[component])
    except (KeyError, IndexError, ValueError, RuntimeError, AttributeError, TypeError) as error:
        consequence = f"has keys of a {component} that diffusers does not convert ({type(error).__name__})"
        raise CheckFailed("checkpoint.wrong-architecture", group.source, consequence, ELSEWHERE) from error
    lost = sorted(_not_whole(group.tensors, marked))
    if lost:
        consequence = f"has {len(lost)} of {len(group.tensors)} tensors of a {component} that diffusers does not convert whole"
        consequence = f"{consequence}, e.g. {shortened(lost[0])!r}, so it is another architecture"
        raise CheckFailed("checkpoint.wrong-architecture", group.source, consequence, ELSEWHERE)
    unused = _unused(converted, base[component]) if component.startswith("text_encoder") else set()
    left_out = len(_not_whole(group.tensors, {key: tensor for key, tensor in marked.items() if key not in unused}))
    return Reading(
        frozenset(group.tensors),
        tensors={component: {key: tensor for key, tensor in converted.items() if key not in unused}},
        left_out={UNUSED: left_out} if left_out else {},
    )


def _marks(tensors: StateDict) -> StateDict:
    """Tensors of the same shapes that hold their own number everywhere; they take no memory."""
    return {key: torch.tensor(number, dtype=torch.int16).expand(tensor.shape) for number, (key, tensor) in enumerate(tensors.items())}


def _not_whole(tensors: StateDict, marked: StateDict) -> set[str]:
    """Keys of tensors of which a conversion leaves out a part, or all.

    Args:
        tensors: before the conversion.
        marked: what it makes of their :func:`_marks`.
    """
    converted: Counter[int] = Counter()
    for tensor in marked.values():
        if tensor.numel():
            converted[int(tensor[(0,) * tensor.ndim])] += tensor.numel()
    return {key for number, (key, tensor) in enumerate(tensors.items()) if converted[number] != tensor.numel()}


def _unet(tensors: StateDict, base: nn.Module) -> StateDict:
    """diffusers' conversion. It counts the blocks in the keys, so placeholders stand for the blocks that a partial file lacks."""
    config: Any = base.config
    blocks = range((config["layers_per_block"] + 1) * len(config["down_block_types"]))
    block_names = [
        *(f"input_blocks.{i}" for i in blocks),
        *(f"output_blocks.{i}" for i in blocks),
        *(f"middle_block.{i}" for i in range(3)),
    ]
    # No architecture has a block part ".9", so the conversion ignores it.
    padding = {f"{UNET}{block}.9.none": torch.empty(0) for block in block_names}
    converted: StateDict = ldm.convert_ldm_unet_checkpoint(padding | _prefixed(UNET, tensors), config)
    return {key: tensor for key, tensor in converted.items() if not key.endswith(".none")}


def _vae(tensors: StateDict, base: nn.Module) -> StateDict:
    config: Any = base.config
    converted: StateDict = ldm.convert_ldm_vae_checkpoint(_prefixed(VAE, tensors), config)
    return converted


def _open_clip(tensors: StateDict, base: nn.Module) -> StateDict:
    """The text encoder of SD 2, or SDXL's second. Under a prefix of our own: diffusers knows layers to ignore by SD 2's."""
    converted: StateDict = ldm.convert_open_clip_checkpoint(base, _prefixed(OPEN_CLIP, tensors), OPEN_CLIP)
    return converted


def _unused(converted: StateDict, base: nn.Module) -> set[str]:
    """What pipelines leave out of OpenCLIP: the projection, and the layer after the base's last, which they stop before."""
    text_encoder: Any = base
    after = f".layers.{text_encoder.config.num_hidden_layers}."
    has_projection = "text_projection.weight" in base.state_dict()
    return {key for key in converted if after in key or (key == "text_projection.weight" and not has_projection)}


def _prefixed(prefix: str, tensors: StateDict) -> StateDict:
    return {prefix + key: tensor for key, tensor in tensors.items()}
