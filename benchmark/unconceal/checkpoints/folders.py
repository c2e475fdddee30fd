"""Folders of weights in the layout of diffusers and transformers. Nothing outside the submitted folder is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unconceal.checkpoints.key_names import StateDict
from unconceal.checkpoints.weights_file import MAX_CONFIG_BYTES, read_file, shortened
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import WEIGHTS_PATTERN

WEIGHTS_NAMES = (
    "diffusion_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
)
"""Names of a component's weights file; the first that exists is used (never ``non_ema`` and the like)."""
HUB_BLOBS = "blobs"
"""The folder of the Hub's cache that its snapshots link to."""
MAX_SHARDS = 200


def check_inside(path: Path, folder: Path) -> Path:
    """Check that a path stays inside a folder, and return it.

    Raises:
        CheckFailed: it links to a file outside ``folder`` (in the Hub's cache: outside the repository's own blobs).
    """
    target, root = path.resolve(), folder.resolve()
    blob_folders = [parent.parent / HUB_BLOBS for parent in root.parents if parent.name == "snapshots"]
    if not any(target.is_relative_to(allowed) for allowed in (root, *blob_folders)):
        raise CheckFailed("checkpoint.link", str(path), "is a link out of its folder, so it is not opened", "put the file itself there")
    return path


def read_json(path: Path, folder: Path) -> dict[str, Any]:
    """Read a small, untrusted JSON object.

    Raises:
        CheckFailed: it is too long, or not a JSON object.
    """
    if check_inside(path, folder).stat().st_size > MAX_CONFIG_BYTES:
        raise CheckFailed(
            "checkpoint.too-large",
            str(path),
            f"is longer than {MAX_CONFIG_BYTES} bytes, so it is not read",
            "export the model again",
        )
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckFailed("checkpoint.not-json", str(path), f"is no JSON ({type(error).__name__})", "export the model again") from error
    if not isinstance(content, dict):
        raise CheckFailed("checkpoint.not-json", str(path), "is no table", "export the model again")
    return content


def holds_weights(folder: Path) -> bool:
    """Whether a folder holds a component's weights under the names of diffusers and transformers."""
    return any(_index_path(folder, name).is_file() or (folder / name).is_file() for name in WEIGHTS_NAMES)


def read_folder(folder: Path, submitted: Path) -> StateDict:
    """Read the tensors of one component's folder, from one file or from shards.

    Args:
        folder: of the component.
        submitted: the submitted folder, which no link may leave.

    Raises:
        CheckFailed: it holds no weights, or they cannot be read.
    """
    for name in WEIGHTS_NAMES:
        if (folder / name).is_file():
            return _flat(folder / name, submitted)
        if _index_path(folder, name).is_file():
            return {key: tensor for shard in _shards(folder, name, submitted) for key, tensor in _flat(shard, submitted).items()}
    raise CheckFailed("checkpoint.no-weights", str(folder), "holds no weights", f"name the file as diffusers does, e.g. {WEIGHTS_NAMES[0]}")


def _flat(path: Path, submitted: Path) -> StateDict:
    weights = read_file(check_inside(path, submitted))
    tables = [name for name in weights.tables if name]
    if tables:
        raise CheckFailed(
            "checkpoint.wrong-layout",
            str(path),
            f"holds tables ({shortened(', '.join(tables))}) instead of the component's tensors",
            "export it again",
        )
    return weights.flat


def _index_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.index.json"


def _shards(folder: Path, name: str, submitted: Path) -> list[Path]:
    index = _index_path(folder, name)
    weight_map = read_json(index, submitted).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckFailed("checkpoint.bad-index", str(index), "does not list shards", "export the weights again")
    shards = sorted(set(weight_map.values()))
    if len(shards) > MAX_SHARDS:
        raise CheckFailed(
            "checkpoint.too-large",
            str(index),
            f"lists {len(shards)} shards, more than any model has ({MAX_SHARDS})",
            "export the weights again",
        )
    for shard in shards:
        # The index is untrusted: it may name files of its own folder only, and the digest covers no other names.
        if Path(shard).name != shard or not WEIGHTS_PATTERN.fullmatch(shard) or not (folder / shard).is_file():
            raise CheckFailed(
                "checkpoint.bad-index",
                str(index),
                f"names {shortened(shard)!r}, which is no weights file of its folder",
                "export the weights again",
            )
    return [folder / shard for shard in shards]
