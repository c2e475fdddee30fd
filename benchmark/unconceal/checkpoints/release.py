"""Contents of a released checkpoint: tensors that replace the base's, or a network that acts beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unconceal.checkpoints.key_names import StateDict
from unconceal.checkpoints.low_rank import Updates
from unconceal.checkpoints.weights_file import Weights, read_file
from unconceal.errors import CheckFailed

OpenedCheckpoint = Path | Weights
"""A folder, or one opened file."""


@dataclass(frozen=True)
class SpmNetwork:
    """A low-rank network that is scaled by how much a prompt resembles ``prompts``, the concepts that it erases."""

    component: str
    updates: Updates
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class ReadCheckpoint:
    """A checkpoint once it is read.

    Attributes:
        tensors: by component, under any library's key names.
        whole: whether each component present is complete.
        spm: an SPM network.
        unused_parts: descriptions of what the checkpoint holds and is not applied.
    """

    tensors: dict[str, StateDict]
    whole: bool = False
    spm: SpmNetwork | None = None
    unused_parts: tuple[str, ...] = ()


def open_checkpoint(path: Path) -> OpenedCheckpoint:
    """Open a checkpoint: a folder is returned as it is, a file is read.

    Raises:
        CheckFailed: it is missing, or cannot be read as weights.
    """
    if path.is_dir():
        return path
    if not path.is_file():
        raise CheckFailed(
            "checkpoint.not-found",
            str(path),
            "does not exist, so there is nothing to evaluate",
            "correct the path, or download the weights",
        )
    return read_file(path)
