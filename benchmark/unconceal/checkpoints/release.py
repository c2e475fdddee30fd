"""What a released checkpoint holds once it is read: tensors that replace the base's, or a network that acts beside it."""

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
    """A low-rank network that acts as strongly as a prompt resembles ``prompts``, the concepts that it was trained against."""

    component: str
    updates: Updates
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class ReadCheckpoint:
    """``tensors`` by component, in any library's spelling. ``whole``: each component that is there is complete.

    ``left_out``: what the checkpoint holds beside, which is not applied, in words.
    """

    tensors: dict[str, StateDict]
    whole: bool = False
    spm: SpmNetwork | None = None
    ignored: tuple[str, ...] = ()


def open_checkpoint(path: Path) -> OpenedCheckpoint:
    """A folder as it is, a file read; nothing that lies elsewhere is followed.

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
