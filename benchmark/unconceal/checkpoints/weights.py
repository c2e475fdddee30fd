"""Weights files, read without ever running what is in them."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from unconceal.checkpoints.names import StateDict
from unconceal.errors import CheckFailed

PICKLES = (".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *PICKLES)
LARGEST = 32 * 2**30
"""Bytes; no checkpoint of a supported family comes near."""

IN_FOLDER = (
    "diffusion_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
)
"""The files a component's folder may keep its weights in; the first found counts (never ``non_ema`` and the like)."""


def read_file(path: Path) -> StateDict:
    """The tensors of one weights file, on the CPU in their stored precision.

    Raises:
        CheckFailed: the file is damaged, too large, a pickle of more than tensors, or not a flat table of tensors.
    """
    if path.stat().st_size > LARGEST:
        raise CheckFailed(str(path), f"is larger than {LARGEST // 2**30} GiB, so it is not opened", "release the changed weights only")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True) if path.suffix in PICKLES else load_file(path)
    except UnpicklingError as error:
        raise CheckFailed(str(path), "is a pickle of more than tensors, so it is not opened", "release it as safetensors") from error
    except (SafetensorError, RuntimeError, EOFError, BadZipFile, ValueError) as error:
        raise CheckFailed(str(path), f"cannot be read as weights ({error})", "download or export it again") from error
    if not isinstance(state, dict) or not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()):
        raise CheckFailed(str(path), "is not a flat table of named tensors", "release the state dict itself, as safetensors")
    return state


def holds_weights(folder: Path) -> bool:
    """Whether a folder keeps a component's weights as diffusers and transformers do."""
    return any(_listing(folder, name).is_file() or (folder / name).is_file() for name in IN_FOLDER)


def read_folder(folder: Path) -> StateDict:
    """The tensors of one component's folder, whole or in shards."""
    for name in IN_FOLDER:
        if (folder / name).is_file():
            return read_file(folder / name)
        if _listing(folder, name).is_file():
            return {key: tensor for shard in _shards(folder, name) for key, tensor in read_file(shard).items()}
    raise CheckFailed(str(folder), "holds no weights", f"name the file as diffusers does, e.g. {IN_FOLDER[0]}")


def _listing(folder: Path, name: str) -> Path:
    return folder / f"{name}.index.json"


def _shards(folder: Path, name: str) -> list[Path]:
    listing = _listing(folder, name)
    try:
        shards = sorted(set(json.loads(listing.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckFailed(str(listing), f"does not list shards ({error!r})", "export the weights again") from error
    for shard in shards:
        # A listing is a stranger's text: it may name its neighbours only.
        if Path(shard).name != shard or not shard.endswith(SUFFIXES) or not (folder / shard).is_file():
            raise CheckFailed(str(listing), f"names {shard!r}, which is no weights file of its folder", "export the weights again")
    return [folder / shard for shard in shards]
