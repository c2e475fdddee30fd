"""The files of a model folder that are downloaded and opened; all others are ignored, on the Hub and locally."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from unconceal.specs.digests import file_digest, folder_digest
from unconceal.specs.submission import COMPONENTS

FOLDERS = (*COMPONENTS, "scheduler")
"""Folders of a pipeline that are read. The safety checker is not among them: filtering is not forgetting."""
CONFIG_FILES = ("model_index.json", "config.json", "scheduler_config.json", "adapter_config.json")
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")
"""Read for base models and judges only: another vocabulary in a checkpoint would change every token."""
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model", "adapter_model", "pytorch_lora_weights")
WEIGHTS_PATTERN = re.compile(
    rf"(?:{'|'.join(STEMS)})(?P<fp16>\.fp16)?(?:-\d{{5}}-of-\d{{5}})?\.(?P<kind>safetensors|bin)(?:\.index\.json)?"
)


def select_checkpoint_files(names: Iterable[str]) -> list[str]:
    """Select the files of a checkpoint: configurations, and one set of weights per component.

    Safetensors are preferred to pickles, and full precision to half, as in :mod:`unconceal.checkpoints.folders`.

    Args:
        names: paths below the folder.
    """
    selected: list[str] = []
    by_folder: dict[str, dict[tuple[bool, bool], list[str]]] = {}
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) > 2 or (len(path.parts) == 2 and path.parts[0] not in FOLDERS):
            continue
        weights = WEIGHTS_PATTERN.fullmatch(path.name)
        if path.name in CONFIG_FILES:
            selected.append(name)
        elif weights:
            variant = (weights["kind"] == "bin", weights["fp16"] is not None)
            by_folder.setdefault(str(path.parent), {}).setdefault(variant, []).append(name)
    return sorted([*selected, *(name for variants in by_folder.values() for name in variants[min(variants)])])


def select_model_files(names: Iterable[str]) -> list[str]:
    """Select the files of a base model or judge: as :func:`select_checkpoint_files`, and the tokenizers."""
    all_names = list(names)
    tokenizer_files = [
        name for name in all_names if PurePosixPath(name).name in (*TOKENIZER_FILES, "preprocessor_config.json") and name.count("/") <= 1
    ]
    return sorted(
        {*select_checkpoint_files(all_names), *(name for name in tokenizer_files if "/" not in name or name.startswith("tokenizer"))}
    )


def has_weights(names: Iterable[str]) -> bool:
    """Whether a name is one of a weights file."""
    return any(WEIGHTS_PATTERN.fullmatch(PurePosixPath(name).name) for name in names)


def checkpoint_digest(path: Path) -> str:
    """SHA-256 of a checkpoint file, or of a folder's files that are read."""
    if path.is_file():
        return file_digest(path)
    names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    return folder_digest(path, select_checkpoint_files(names))
