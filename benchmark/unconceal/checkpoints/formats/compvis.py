"""One file under the keys of the original latent-diffusion code (CompVis, LDM), whole or partial, as SalUn, EraseDiff or the first ESD
release it. diffusers' own conversion translates it.

Such a file may hold a second, averaged copy of the UNet (``model_ema.…``). It is what the model was before unlearning, so it is never
read.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from diffusers.loaders import single_file_utils as ldm
from torch import nn

from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint
from unconceal.checkpoints.weights_file import Weights
from unconceal.errors import CheckFailed

UNET, VAE, CLIP, AVERAGED = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.", "model_ema."
OPEN_CLIP = "cond_stage_model.model."
BLOCK = re.compile(r"(input_blocks|middle_block|output_blocks)\.\d+\.")
PLAIN = ("time_embed.", "out.", "label_emb.")
SCHEDULE = re.compile(r"(betas|alphas|posterior|sqrt|log|lvlb|logvar|model_ema\.|scale_factor|denoiser\.)")
"""Buffers of the noise schedule, and the averaged copy: no weights of the model."""


def detect(opened: OpenedCheckpoint) -> bool:
    return isinstance(opened, Weights) and any(
        key.startswith((UNET, VAE, "cond_stage_model.", AVERAGED)) or _bare(key) for key in opened.flat
    )


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Weights)
    # A UNet saved by itself lacks the prefix.
    state = {UNET + key if _bare(key) else key: tensor for key, tensor in opened.flat.items()}
    source = str(opened.path)
    averaged = sum(key.startswith(AVERAGED) for key in state)
    weights = {key: tensor for key, tensor in state.items() if not SCHEDULE.match(key)}
    if not weights:
        consequence = f"holds {averaged} averaged tensors ({AVERAGED}…) and no others: that copy is the model before unlearning"
        raise CheckFailed("checkpoint.ema-only", source, consequence, f"export the trained weights, {UNET}…")
    foreign = [key for key in weights if not key.startswith((UNET, VAE, CLIP, OPEN_CLIP))]
    if foreign:
        consequence = f"has keys that no part of a latent diffusion model has, e.g. {foreign[0]!r}"
        raise CheckFailed("checkpoint.unknown-keys", source, consequence, "release the whole model, or the UNet alone")
    tensors: dict[str, StateDict] = {}
    for prefix, component, convert in (
        (UNET, "unet", _unet),
        (VAE, "vae", _vae),
        (CLIP, "text_encoder", _clip),
        (OPEN_CLIP, "text_encoder", _open_clip),
    ):
        part = {key: tensor for key, tensor in weights.items() if key.startswith(prefix)}
        if part and component in base:
            tensors[component] = convert(part, base[component])
            if len(tensors[component]) < len(part):
                consequence = f"has {len(part)} keys of a {component}, of which diffusers converts {len(tensors[component])}"
                raise CheckFailed("checkpoint.wrong-architecture", source, f"{consequence}, so it is another architecture", ELSEWHERE)
    unused_parts = (f"{averaged} averaged tensors ({AVERAGED}…), the model before unlearning",) if averaged else ()
    return ReadCheckpoint(tensors, unused_parts=(*unused_parts, *opened.ignored))


def _bare(key: str) -> bool:
    return bool(BLOCK.match(key)) or (key.startswith(PLAIN) and key.split(".")[1].isdigit())


def _unet(part: StateDict, base: nn.Module) -> StateDict:
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
    converted: StateDict = ldm.convert_ldm_unet_checkpoint(padding | part, config)
    return {key: tensor for key, tensor in converted.items() if not key.endswith(".none")}


def _vae(part: StateDict, base: nn.Module) -> StateDict:
    config: Any = base.config
    converted: StateDict = ldm.convert_ldm_vae_checkpoint(part, config)
    return converted


def _clip(part: StateDict, base: nn.Module) -> StateDict:
    converted: StateDict = ldm.convert_ldm_clip_checkpoint(part)
    return converted


def _open_clip(part: StateDict, base: nn.Module) -> StateDict:
    """SD 2's text encoder. Its pipelines leave OpenCLIP's last layer and its projection out; so does the conversion."""
    converted: StateDict = ldm.convert_open_clip_checkpoint(base, part)
    return {key: tensor for key, tensor in converted.items() if key != "text_projection.weight"}
