"""Which files of a model's folder are read, on the Hub as on this machine. Whatever else lies there is neither downloaded nor opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from unconceal.specs.digests import file_digest, folder_digest
from unconceal.specs.submission import COMPONENTS

FOLDERS = (*COMPONENTS, "scheduler")
"""Folders of a pipeline that are looked at. A safety checker is not among them: filtering is not forgetting."""
CONFIG_FILES = ("model_index.json", "config.json", "scheduler_config.json", "adapter_config.json")
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")
"""Files of a tokenizer: read of bases and judges only; a checkpoint's own vocabulary would move every token."""
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model", "adapter_model", "pytorch_lora_weights")
WEIGHTS_PATTERN = re.compile(rf"(?:{'|'.join(STEMS)})(?P<fp16>\.fp16)?(?:-\d{{5}}-of-\d{{5}})?\.(?P<kind>safetensors|bin)(?:\.index\.json)?")


def select_checkpoint_files(names: Iterable[str]) -> list[str]:
    """Of the names below a folder those that are read: settings, and of each component the weights once.

    Safetensors come before pickles, and full precision before half (so does :mod:`unconceal.checkpoints.folders`).
    """
    chosen: list[str] = []
    by_place: dict[str, dict[tuple[bool, bool], list[str]]] = {}
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) > 2 or (len(path.parts) == 2 and path.parts[0] not in FOLDERS):
            continue
        weights = WEIGHTS_PATTERN.fullmatch(path.name)
        if path.name in CONFIG_FILES:
            chosen.append(name)
        elif weights:
            way = (weights["kind"] == "bin", weights["fp16"] is not None)
            by_place.setdefault(str(path.parent), {}).setdefault(way, []).append(name)
    return sorted([*chosen, *(name for ways in by_place.values() for name in ways[min(ways)])])


def select_model_files(names: Iterable[str]) -> list[str]:
    """Of the names of a base or a judge those that are read: as :func:`needed`, and the tokenizers."""
    listed = list(names)
    words = [name for name in listed if PurePosixPath(name).name in (*TOKENIZER_FILES, "preprocessor_config.json") and name.count("/") <= 1]
    return sorted({*select_checkpoint_files(listed), *(name for name in words if "/" not in name or name.startswith("tokenizer"))})


def has_weights(names: Iterable[str]) -> bool:
    """Whether weights are among the names."""
    return any(WEIGHTS_PATTERN.fullmatch(PurePosixPath(name).name) for name in names)


def checkpoint_digest(path: Path) -> str:
    """SHA-256 of a checkpoint: of the file, or over the files of the folder that are read."""
    if path.is_file():
        return file_digest(path)
    inside = [found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()]
    return folder_digest(path, select_checkpoint_files(inside))
