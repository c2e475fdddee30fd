"""A disk that loses power: what is left of a folder if the machine stops after any of a process's calls.

Only what was flushed is sure to be there. A new name may be there or not until its folder is flushed; the content of a file until it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Names = dict[str, int]


@dataclass(frozen=True)
class Remains:
    """What a power cut may leave: contents by inode, and names by folder as they were flushed and as they last were."""

    contents: dict[int, bytes]
    flushed: dict[int, Names]
    current: dict[int, Names]

    def restore(self, root: int, folder: Path, renames_survive: bool) -> Path:
        """Make the files that are left."""
        folder.mkdir()
        names = self.current if renames_survive else self.flushed
        for name, inode in names.get(root, {}).items():
            if inode in self.current:
                self.restore(inode, folder / name, renames_survive)
            else:
                (folder / name).write_bytes(self.contents.get(inode, b""))
        return folder


@dataclass
class Disk:
    """Watches everything below a folder. What is there at first is on the disk."""

    root: Path
    cuts: list[Remains] = field(default_factory=list)
    _contents: dict[int, bytes] = field(default_factory=dict)
    _flushed: dict[int, Names] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._flushed = self._names()
        self._contents = {path.stat().st_ino: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take a look after every call that changes names or flushes."""
        for name in ("fsync", "replace", "mkdir", "open", "unlink"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def remains(self, folder: Path) -> Iterator[Path]:
        """Every state that a power cut could leave, restored below a folder one after the other."""
        for number, cut in enumerate(self.cuts):
            for renames_survive in (False, True):
                yield cut.restore(self.root.stat().st_ino, folder / f"{number}-{renames_survive}", renames_survive)

    def _noting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **keywords: Any) -> Any:
            result = call(*arguments, **keywords)
            if name == "fsync":
                self._flush(arguments[0])
            self._look()
            return result

        return noted

    def _flush(self, handle: int) -> None:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._flushed[status.st_ino] = self._names().get(status.st_ino, {})
        else:
            self._contents[status.st_ino] = os.pread(handle, status.st_size, 0)

    def _look(self) -> None:
        current = self._names()
        held = {inode for names in (*current.values(), *self._flushed.values()) for inode in names.values()}
        # A number is given again once its file is gone.
        self._contents = {inode: content for inode, content in self._contents.items() if inode in held}
        self.cuts.append(Remains(dict(self._contents), {inode: dict(names) for inode, names in self._flushed.items()}, current))

    def _names(self) -> dict[int, Names]:
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        return {folder.stat().st_ino: {path.name: path.stat().st_ino for path in folder.iterdir()} for folder in folders}
