"""The content-addressed store of generated shards: atomic, self-checking, shared by processes."""

from __future__ import annotations

import errno
import hashlib
import json
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

Arrays = dict[str, NDArray[Any]]
SAYS = "unconceal"
"""The entry of a file's header under which it says what it is."""


class Store:
    """Shards under ``root``, one safetensors file each, named by the shard's digest; never a pickle."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, shard: Shard) -> Path:
        return self.root / shard.digest[:2] / f"{shard.digest}.safetensors"

    def get(self, shard: Shard) -> Arrays | None:
        """The shard's arrays; None if it was never made, or if its file is truncated, altered or another's (it is made anew then)."""
        path = self.path(shard)
        try:
            with safe_open(path, framework="np") as file:
                said = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError, OSError):
            return None
        return arrays if said == metadata_of(shard, arrays) else None

    def __contains__(self, shard: Shard) -> bool:
        return self.path(shard).exists()

    def put(self, shard: Shard, arrays: Arrays) -> None:
        """Write atomically: a temporary name, flushed to disk, renamed."""
        path = self.path(shard)
        # safetensors writes the buffer as it lies in memory and would mix up the pixels of a transposed view.
        arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, save(arrays, metadata_of(shard, arrays)))
        except OSError as error:
            raise storage_fault(path, error) from error


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
