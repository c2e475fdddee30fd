"""The content-addressed store of generated shards: atomic, self-checking, shared by processes."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray
from safetensors.numpy import save

from unconceal.errors import EnvironmentFault
from unconceal.files import TEMPORARY, remove_stale_temporaries, write_atomically
from unconceal.generate.identity import StoreKey
from unconceal.generate.locks import locked
from unconceal.generate.shard_file import Arrays as Arrays
from unconceal.generate.shard_file import FileState, read_shard_file

METADATA_KEY = "unconceal"
"""The entry of a file's header that holds its identity and content digest."""
MODELS, THROUGHPUT, LOCKS = "models", "throughput", "claims"
"""Names beside the shards: the models that may have shards, measured throughput, and the lock file."""


class Store:
    """Shards under ``root``, one safetensors file each, named by the shard's digest; never a pickle.

    Any number of processes on any machines that share ``root`` may use it at once. ``log`` receives a line per damaged file.
    """

    def __init__(self, root: Path, log: Callable[[str], None] = lambda line: None) -> None:
        self.root, self.log = root, log
        self._registered: set[str] = set()
        self._logged: set[Path] = set()
        self._verified: dict[Path, FileState] = {}

    def path(self, shard: StoreKey) -> Path:
        return self._digest_path(shard.digest)

    def _digest_path(self, digest: str) -> Path:
        return self.root / digest[:2] / f"{digest}.safetensors"

    def get(self, shard: StoreKey) -> Arrays | None:
        """The shard's arrays; None if it is missing, or its file is truncated, altered or another shard's."""
        path = self.path(shard)
        try:
            file = read_shard_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self._damaged(path, str(error))
            return None
        if file.metadata != shard_metadata(shard, file.arrays):
            self._damaged(path, "its content differs from its digest")
            return None
        self._verified[path] = file.state
        return file.arrays

    def read(self, shard: StoreKey, name: str) -> NDArray[Any] | None:
        """One array of a shard whose file :meth:`get` verified; None if it has not, or the file is gone or was written to since."""
        path = self.path(shard)
        if path not in self._verified:
            return None
        try:
            file = read_shard_file(path, (name,))
        except (OSError, ValueError):
            return None
        return file.arrays[name] if file.state == self._verified[path] else None

    def _damaged(self, path: Path, reason: str) -> None:
        if path in self._logged:
            return
        self._logged.add(path)
        self.log(f"{path} is damaged ({' '.join(reason.split())}), so it counts as missing and is generated again")

    def __contains__(self, shard: StoreKey) -> bool:
        return self.path(shard).exists()

    def put(self, shard: StoreKey, arrays: Arrays) -> None:
        """Write a shard atomically: under a temporary name, flushed to disk, then renamed.

        Raises:
            EnvironmentFault: the disk is full or not writable.
        """
        path = self.path(shard)
        # safetensors writes the raw buffer, which would mix up the pixels of a transposed view.
        arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        try:
            self.register_model(shard.model)
            write_atomically(path, save(arrays, shard_metadata(shard, arrays)))
        except OSError as error:
            raise storage_error(path, error) from error

    def remove_stale_temporaries(self) -> int:
        """Remove what killed runs left unfinished more than a day ago; returns the number of files."""
        return remove_stale_temporaries((self.root, self.root / MODELS, *self.root.glob("??")))

    def lock(self, shard: StoreKey, wait: bool = True) -> AbstractContextManager[bool]:
        """Whether this process may generate a shard; without ``wait``, False while another process does."""
        return locked(self.root / LOCKS, shard.digest, wait)

    def registered_models(self) -> frozenset[str] | None:
        """Digests of the models that may have shards here; None if the store is older than this list."""
        try:
            return frozenset(path.name for path in (self.root / MODELS).iterdir() if not path.name.startswith(TEMPORARY))
        except OSError:
            return None if self._has_shards() else frozenset()

    def register_model(self, model: str) -> None:
        """Add a model to :meth:`registered_models`, before its first shard is stored."""
        if model in self._registered:
            return
        folder = self.root / MODELS
        if folder.is_dir() or not self._has_shards():
            write_atomically(folder / model, b"")
        self._registered.add(model)

    def _has_shards(self) -> bool:
        return next(self.root.glob("??/*.safetensors"), None) is not None


def shard_metadata(shard: StoreKey, arrays: Arrays) -> dict[str, str]:
    """A file's header: the identity of its shard and the digest of its content.

    It is one entry, since safetensors writes several in an order that differs between calls.
    """
    return {METADATA_KEY: rfc8785.dumps({"shard": shard.identity(), "content": content_digest(arrays)}).decode()}


def content_digest(arrays: Arrays) -> str:
    """SHA-256 of names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, list(array.shape), str(array.dtype)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def storage_error(path: Path, error: OSError) -> EnvironmentFault:
    """A disk error as one line with its remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        consequence = "the run stopped; finished work is kept"
        return EnvironmentFault(
            "environment.disk-full", f"no space left for {path}", consequence, "free some disk and run the same command again"
        )
    value, consequence = f"cannot write {path} ({error.strerror})", "the run cannot keep what it generates"
    return EnvironmentFault("store.not-writable", value, consequence, "name a writable folder with --store")
