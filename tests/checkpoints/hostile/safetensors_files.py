"""Safetensors whose headers lie, and files that are none."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch

from checkpoints.hostile.corpus import CORPUS, KEY, put, tries


def header(entries: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of any header, true or not."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: Any = (8,), offsets: Any = (0, 32)) -> dict[str, Any]:
    return {KEY: {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": list(offsets)}}


LIES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "checkpoint.damaged"),
    "a header longer than its file": (header(entry(), length=10**6), "checkpoint.damaged"),
    "a header of 16 million million bytes": (header(entry(), length=2**44), "checkpoint.damaged"),
    "a header that is no JSON": (header(b"{" * 100), "checkpoint.damaged"),
    "a header a hundred thousand deep": (header(b'{"a":' + b"[" * 100_000), "checkpoint.damaged"),
    "a header cut short": (header(entry())[:40], "checkpoint.damaged"),
    "a tensor of a million million elements": (header(entry(shape=(10**6, 10**6))), "checkpoint.damaged"),
    "more bytes than the shape needs": (header(entry(offsets=(0, 64)), b"\0" * 64), "checkpoint.damaged"),
    "bytes beyond the end of the file": (header(entry(), b"\0" * 8), "checkpoint.damaged"),
    "negative offsets": (header(entry(offsets=(-32, 0)), b"\0" * 32), "checkpoint.damaged"),
    "a negative shape": (header(entry(shape=(-8,))), "checkpoint.damaged"),
    "a shape of words": (header(entry(shape=["8"])), "checkpoint.damaged"),
    "a shape of truth values": (header(entry(shape=(True,), offsets=(0, 4)), b"\0" * 4), "checkpoint.damaged"),
    "a type that nobody knows": (header(entry(dtype="F1024"), b"\0" * 32), "checkpoint.damaged"),
    "a tensor of a thousand dimensions": (header(entry(shape=(1,) * 1000, offsets=(0, 4)), b"\0" * 4), "checkpoint.damaged"),
    "a hundred thousand tensors": (
        header({f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}),
        "checkpoint.too-large",
    ),
    "metadata that are no text": (header({"__metadata__": {"a": {"b": 1}}, **entry()}, b"\0" * 32), "checkpoint.damaged"),
    "two tensors in one place": (header(entry() | {"conv_out.bias": entry()[KEY]}, b"\0" * 32), "checkpoint.damaged"),
    "a page of the web": (b"<html><script>alert(1)</script></html>", "checkpoint.damaged"),
    "a pointer instead of the file": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "checkpoint.damaged"),
}
for _what, (_data, _says) in LIES.items():
    CORPUS[_what] = (lambda folder, data=_data: put(folder, "x.safetensors", data), _says)  # type: ignore[misc]


@tries("a pickle named safetensors", "checkpoint.damaged")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8)}, folder / "x.pt")
    return (folder / "x.pt").rename(folder / "x.safetensors")


@tries("a script named as weights", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return put(folder, "x.bin", b"#!/bin/sh\ntouch ran\n")


@tries("a program", "checkpoint.unknown-format")
def _(folder: Path) -> Path:
    return put(folder, "model.py", b"open('ran', 'w')")
