"""Folders that keep weights as diffusers and transformers do. Nothing outside the folder that was submitted is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unconceal.checkpoints.key_names import StateDict
from unconceal.checkpoints.weights_file import LONGEST_CONFIG, read_file, shortened
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import WEIGHTS_PATTERN

IN_FOLDER = (
    "diffusion_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
)
"""The files a component's folder may keep its weights in; the first found counts (never ``non_ema`` and the like)."""
CACHED = "blobs"
"""Where the Hub's client keeps what its folders link to."""
MOST_SHARDS = 200


def check_inside(path: Path, folder: Path) -> Path:
    """``path`` itself.

    Raises:
        CheckFailed: following links it leads out of ``folder`` (or, in the Hub's cache, out of the repository's own store).
    """
    target, home = path.resolve(), folder.resolve()
    stores = [parent.parent / CACHED for parent in home.parents if parent.name == "snapshots"]
    if not any(target.is_relative_to(allowed) for allowed in (home, *stores)):
        raise CheckFailed("checkpoint.link", str(path), "is a link out of its folder, so it is not opened", "put the file itself there")
    return path


def read_json(path: Path, folder: Path) -> dict[str, Any]:
    """A small JSON table of a stranger's.

    Raises:
        CheckFailed: it is too long, or none.
    """
    if check_inside(path, folder).stat().st_size > LONGEST_CONFIG:
        raise CheckFailed(
            "checkpoint.too-large", str(path), f"is longer than {LONGEST_CONFIG // 2**20} MiB, so it is not read", "export the model again"
        )
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckFailed("checkpoint.not-json", str(path), f"is no JSON ({type(error).__name__})", "export the model again") from error
    if not isinstance(found, dict):
        raise CheckFailed("checkpoint.not-json", str(path), "is no table", "export the model again")
    return found


def holds_weights(folder: Path) -> bool:
    """Whether a folder keeps a component's weights as diffusers and transformers do."""
    return any(_listing(folder, name).is_file() or (folder / name).is_file() for name in IN_FOLDER)


def read_folder(folder: Path, submitted: Path) -> StateDict:
    """The tensors of one component's folder below ``submitted``, whole or in shards.

    Raises:
        CheckFailed: it holds none, or what it holds cannot be read.
    """
    for name in IN_FOLDER:
        if (folder / name).is_file():
            return _flat(folder / name, submitted)
        if _listing(folder, name).is_file():
            return {key: tensor for shard in _shards(folder, name, submitted) for key, tensor in _flat(shard, submitted).items()}
    raise CheckFailed("checkpoint.no-weights", str(folder), "holds no weights", f"name the file as diffusers does, e.g. {IN_FOLDER[0]}")


def _flat(path: Path, submitted: Path) -> StateDict:
    found = read_file(check_inside(path, submitted))
    tables = [name for name in found.tables if name]
    if tables:
        raise CheckFailed(
            "checkpoint.wrong-layout",
            str(path),
            f"holds tables ({shortened(', '.join(tables))}) instead of the component's tensors",
            "export it again",
        )
    return found.flat


def _listing(folder: Path, name: str) -> Path:
    return folder / f"{name}.index.json"


def _shards(folder: Path, name: str, submitted: Path) -> list[Path]:
    listing = _listing(folder, name)
    weight_map = read_json(listing, submitted).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckFailed("checkpoint.bad-index", str(listing), "does not list shards", "export the weights again")
    shards = sorted(set(weight_map.values()))
    if len(shards) > MOST_SHARDS:
        raise CheckFailed(
            "checkpoint.too-large",
            str(listing),
            f"lists {len(shards)} shards, more than any model has ({MOST_SHARDS})",
            "export the weights again",
        )
    for shard in shards:
        # A listing is a stranger's text: it may name its neighbours only.
        # And the digest counts no file of any other name.
        if Path(shard).name != shard or not WEIGHTS_PATTERN.fullmatch(shard) or not (folder / shard).is_file():
            raise CheckFailed(
                "checkpoint.bad-index",
                str(listing),
                f"names {shortened(shard)!r}, which is no weights file of its folder",
                "export the weights again",
            )
    return [folder / shard for shard in shards]
