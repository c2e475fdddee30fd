"""Reads and writes files: only regular files of a bounded size, atomically, and below their folder (no torch)."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from unconceal.errors import CheckFailed

TEMPORARY = ".part-"
"""Prefix of files that are being written. Such a file that remains is incomplete."""
DAY = 86_400.0
UMASK = os.umask(0o022)
"""The permissions that the user withholds. It can only be read by setting it."""
os.umask(UMASK)


def read_regular_file(path: Path, max_bytes: int, follow_links: bool = True) -> bytes:
    """The content of a file. Its kind and size are looked at before anything is read, so a pipe does not block.

    Raises:
        OSError: the file is missing, no regular file, a link that is not followed, or larger than ``max_bytes``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW))
    except ValueError as error:
        raise OSError(errno.EINVAL, "its name is no file name", str(path)) from error
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path)) from error
        raise
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        content = file.read(max_bytes + 1) if status.st_size <= max_bytes else b""
    if status.st_size > max_bytes or len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes / 2**20:g} MiB", str(path))
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part of it, also after a power cut. Makes its folder.

    Leaves no temporary file.
    """
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            # mkstemp makes files that only their owner may read; a store or a results folder may be shared.
            os.fchmod(file.fileno(), 0o666 & ~UMASK)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each on the disk before this returns."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Write a folder's entries to the disk: without it, a renamed file may be lost in a power cut. Not every file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_stale_temporaries(folders: Iterable[Path], age: float = DAY) -> int:
    """Remove what killed processes left unfinished directly in these folders; returns the number of files.

    Args:
        folders: they need not exist.
        age: seconds for which a file was not written to; younger ones may belong to a running process.
    """
    stale = [path for folder in folders for path in folder.glob(f"{TEMPORARY}*")]
    n_removed = 0
    for path in stale:
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > age and not path.is_dir():
                path.unlink()
                n_removed += 1
    return n_removed


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path, with all links followed, is a folder or lies below it. False for what is no path, such as one with NUL."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (ValueError, OSError):
        return False


def path_below(folder: Path, relative: str | Path) -> Path:
    """The path of a file below a folder; its own folder is made.

    Raises:
        CheckFailed: the path leaves the folder, by its parts or through a link.
    """
    path = folder / relative
    if ".." in Path(relative).parts or not is_below(path, folder):
        raise CheckFailed("path.outside-folder", str(relative), f"leaves {folder}, so nothing is written", "correct the name it is made of")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_below(folder: Path, relative: str | Path, text: str) -> Path:
    """Write a text file below a folder; raises CheckFailed as :func:`path_below`."""
    path = path_below(folder, relative)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
