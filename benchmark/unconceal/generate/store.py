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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from unconceal.errors import EnvironmentFault
from unconceal.files import write_atomically
from unconceal.generate.identity import Shard
from unconceal.generate.locks import claimed

Arrays = dict[str, NDArray[Any]]
SAYS = "unconceal"
"""The entry of a file's header under which it says what it is."""


MODELS, THROUGHPUT, CLAIMS = "models", "throughput", "claims"
"""What lies in a store beside the shards: whose pictures it holds, how fast they were made, and who is making what."""


class Store:
    """Shards under ``root``, one safetensors file each, named by the shard's digest; never a pickle.

    Any number of processes on any machines that see ``root`` may use it at once. ``say`` is told of files that are damaged.
    """

    def __init__(self, root: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.root, self.say = root, say
        self._noted: set[str] = set()
        self._said: set[Path] = set()

    def path(self, shard: Shard) -> Path:
        return self._place(shard.digest)

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / f"{digest}.safetensors"

    def get(self, shard: Shard) -> Arrays | None:
        """The shard's arrays; None if it was never made, or if its file is truncated, altered or another's (it is made anew then)."""
        path = self.path(shard)
        try:
            with safe_open(path, framework="np") as file:
                said = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (SafetensorError, OSError) as error:
            self._damaged(path, str(error))
            return None
        if said != metadata_of(shard, arrays):
            self._damaged(path, "its content is not what its digest says")
            return None
        return arrays

    def read(self, shard: Shard, name: str) -> NDArray[Any] | None:
        """One array of a shard that was found sound before; None if it is not there any more."""
        try:
            with safe_open(self.path(shard), framework="np") as file:
                return np.asarray(file.get_tensor(name))
        except (SafetensorError, OSError):
            return None

    def _damaged(self, path: Path, why: str) -> None:
        if path in self._said:
            return
        self._said.add(path)
        self.say(f"{path} is damaged ({' '.join(why.split())}), so it counts as not there and is made again")

    def __contains__(self, shard: Shard) -> bool:
        return self.path(shard).exists()

    def put(self, shard: Shard, arrays: Arrays) -> None:
        """Write atomically: a temporary name, flushed to disk, renamed."""
        path = self.path(shard)
        # safetensors writes the buffer as it lies in memory and would mix up the pixels of a transposed view.
        arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        try:
            self.note(shard.model)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, save(arrays, metadata_of(shard, arrays)))
        except OSError as error:
            raise storage_fault(path, error) from error

    def claim(self, shard: Shard, wait: bool = True) -> AbstractContextManager[bool]:
        """Whether this process may make a shard; without ``wait``, not while another process makes it."""
        return claimed(self.root / CLAIMS, shard.digest, wait)

    def models(self) -> frozenset[str] | None:
        """Digests of the models that may have shards here; every other has none. None: the store is older than this list of it."""
        try:
            return frozenset(path.name for path in (self.root / MODELS).iterdir())
        except OSError:
            return None if self._has_shards() else frozenset()

    def note(self, model: str) -> None:
        """Put a model on that list, before its first shard is there."""
        if model in self._noted:
            return
        place = self.root / MODELS
        if place.is_dir() or not self._has_shards():
            place.mkdir(parents=True, exist_ok=True)
            (place / model).touch()
        self._noted.add(model)

    def _has_shards(self) -> bool:
        return next(self.root.glob("??/*.safetensors"), None) is not None


def metadata_of(shard: Shard, arrays: Arrays) -> dict[str, str]:
    """What a file says of itself: the shard it holds, and the digest of its content.

    One entry, since safetensors writes several in an order that changes from call to call.
    """
    return {SAYS: rfc8785.dumps({"shard": shard.fields(), "content": content_digest(arrays)}).decode()}


def content_digest(arrays: Arrays) -> str:
    """SHA-256 over names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, list(array.shape), str(array.dtype)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def storage_fault(path: Path, error: OSError) -> EnvironmentFault:
    """An error of the disk as one line that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        consequence = "the run stopped; what is finished is kept"
        return EnvironmentFault(f"no space left for {path}", consequence, "free some disk and run the same command again")
    value, consequence = f"cannot write {path} ({error.strerror})", "the run cannot keep what it generates"
    return EnvironmentFault(value, consequence, "name a writable folder with --store")
