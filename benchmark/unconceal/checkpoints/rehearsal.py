"""Reads a checkpoint once in a child process, before this process reads it: what crashes a reader does so there."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.file_limits import reading_limits
from unconceal.checkpoints.weights_file import read_file
from unconceal.hub.allowed_files import files_of, select_checkpoint_files
from unconceal.sandbox.child import in_child
from unconceal.specs.submission import WEIGHTS_SUFFIXES


def rehearse(checkpoint: Path) -> None:
    """Read the weights of a checkpoint in a child process; tensors stay on the disk, so this takes milliseconds.

    Raises:
        CheckFailed: a file cannot be read, or does harm to its reader.
    """
    limits = reading_limits(checkpoint)

    def read() -> None:
        names = files_of(checkpoint) if checkpoint.is_dir() else []
        weights = [checkpoint / name for name in select_checkpoint_files(names) if name.endswith(WEIGHTS_SUFFIXES)]
        for path in weights if checkpoint.is_dir() else [checkpoint]:
            read_file(path)

    if checkpoint.exists():
        in_child(str(checkpoint), read, limits)
