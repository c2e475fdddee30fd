"""SHA-256 digests of files, folders and JSON values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unconceal.specs.canonical_json import canonical_json, finite_canonical_json


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(path: Path, names: Iterable[str] | None = None) -> str:
    """SHA-256 over one line ``relative/path\\0sha256\\n`` per file, sorted by path. Dates do not count.

    Args:
        path: the folder.
        names: paths of the files to include, relative to the folder; None: all.
    """
    included = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()] if names is None else names
    lines = (f"{name}\0{file_digest(path / name)}\n" for name in sorted(included))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def path_digest(path: Path) -> str:
    """The digest of a file or a folder."""
    return folder_digest(path) if path.is_dir() else file_digest(path)


def canonical_digest(value: Any) -> str:
    """SHA-256 of a value as canonical JSON (RFC 8785), which does not depend on the order of keys. NaN is refused."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def content_digest(content: dict[str, Any]) -> str:
    """:func:`canonical_digest` of a spec's content, which holds no NaN: faster, since nothing is looked for."""
    return hashlib.sha256(finite_canonical_json(content)).hexdigest()
