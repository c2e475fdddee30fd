"""Reads shard files by plain reads, array by array: cutting short a memory-mapped file would end the process that reads it (no torch)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

Arrays = dict[str, NDArray[Any]]
MAX_HEADER_BYTES = 16 * 2**20
TYPES: Mapping[str, DTypeLike] = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}
"""numpy's types by their names in a safetensors header."""


class FileState(NamedTuple):
    """What changes when somebody writes to a file."""

    inode: int
    size: int
    written: int


class ShardFile(NamedTuple):
    """The content of a file, and its state while it was read."""

    metadata: dict[str, str]
    arrays: Arrays
    state: FileState


def read_shard_file(path: Path, names: Collection[str] | None = None) -> ShardFile:
    """Read a safetensors file that the store wrote.

    Args:
        path: of the file.
        names: arrays to read; None: all.

    Raises:
        OSError: it is missing or cannot be read.
        ValueError: it is no such file, lacks an array, or was written to meanwhile.
    """
    with path.open("rb") as file:
        state = _state(file)
        try:
            header = _header(file, state.size)
            metadata = header.pop("__metadata__", {})
            start = file.tell()
            arrays = {name: _array(file, start, header[name]) for name in (header if names is None else names)}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"it is no whole shard ({type(error).__name__}: {error})") from error
        if _state(file) != state:
            raise ValueError("it was written to while it was read")
    return ShardFile(metadata, arrays, state)


def _state(file: BufferedReader) -> FileState:
    status = os.fstat(file.fileno())
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns)


def _header(file: BufferedReader, size: int) -> dict[str, Any]:
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, MAX_HEADER_BYTES):
        raise ValueError(f"its header claims {length} of {size} bytes")
    header: dict[str, Any] = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if max(ends, default=0) != size - file.tell():
        raise ValueError(f"its arrays do not fill its {size} bytes")
    return header


def _array(file: BufferedReader, start: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    left = os.fstat(file.fileno()).st_size - start
    dtype = np.dtype(TYPES[entry["dtype"]])
    if not 0 <= begin <= end <= left or math.prod(shape) * dtype.itemsize != end - begin:
        raise ValueError(f"an array claims bytes {begin} to {end} of {left}")
    content = bytearray(end - begin)
    file.seek(start + begin)
    if file.readinto(content) != len(content):
        raise ValueError("it ends within an array")
    return np.frombuffer(content, dtype).reshape(shape)
