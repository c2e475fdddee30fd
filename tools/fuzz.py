"""Random mistakes in weights and specs: whatever the bytes, the only errors are our own.

The tests run some hundred cases. The long run is ``python tools/fuzz.py 10000``.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from unconceal.errors import UnconcealError
from unconceal.specs.loader import read_yaml
from unconceal.specs.submission import Submission

STATE = {"conv_in.bias": torch.ones(8), "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": torch.ones(16, 32)}
Mutate = Callable[[st.DataObject, Path], Path]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
SPEC = """\
name: esd-x
suite: tiny
title: A method
description: It unlearns.
checkpoints:
  object/star:
    repo: someone/erased
    revision: main
    file: esd.pt
    format: auto
"""


def original(suffix: str) -> bytes:
    """A true file."""
    if suffix == ".safetensors":
        return save(STATE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        torch.save(STATE, path, _use_new_zipfile_serialization=suffix == ".pt")
        return path.read_bytes()


ORIGINALS = {suffix: original(suffix) for suffix in (".safetensors", ".pt", ".bin")}


def damaged(data: st.DataObject, whole: bytes) -> bytes:
    """A few bytes changed, cut out, or put in."""
    bytes_ = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        # Headers and pickles stand at the front, an archive's index at the end: that is where bytes matter.
        offset = data.draw(st.one_of(st.integers(0, min(600, len(bytes_))), st.integers(0, len(bytes_))))
        new = data.draw(st.binary(max_size=8))
        cut = data.draw(st.sampled_from([0, len(new), len(new), 1, 200]))
        bytes_[offset : offset + cut] = new
    return bytes(bytes_)


def told_wrong(data: st.DataObject) -> bytes:
    """A safetensors file whose header is any JSON, or one that is nearly right."""
    entry = st.fixed_dictionaries({"dtype": st.sampled_from(["F32", "F16", "I64", "F8_E4M3"]) | JSON, "shape": JSON, "data_offsets": JSON})
    header = data.draw(st.dictionaries(st.sampled_from(["__metadata__", *STATE, "x"]), entry | JSON, max_size=3) | JSON)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) + data.draw(st.sampled_from([0, 0, 0, -1, 7]))) + text + data.draw(st.binary(max_size=64))


def mutated_weights(data: st.DataObject, folder: Path) -> Path:
    """A file of weights with mistakes."""
    suffix = data.draw(st.sampled_from(list(ORIGINALS)))
    lies = suffix == ".safetensors" and data.draw(st.booleans())
    path = folder / f"x{suffix}"
    path.write_bytes(told_wrong(data) if lies else damaged(data, ORIGINALS[suffix]))
    return path


def mutated_spec(data: st.DataObject, folder: Path) -> Path:
    """A submission with mistakes: bytes, or values of any kind."""
    path = folder / "esd-x.yaml"
    if data.draw(st.booleans()):
        path.write_bytes(damaged(data, SPEC.encode()))
    else:
        lines = SPEC.splitlines()
        for _ in range(data.draw(st.integers(1, 3))):
            number = data.draw(st.integers(0, len(lines) - 1))
            key = lines[number].partition(":")[0]
            lines[number] = f"{key}: {json.dumps(data.draw(JSON))}"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_spec(path: Path) -> None:
    """As the suite reads it."""
    read_yaml(path, Submission)


def read_weights(path: Path) -> None:
    """As the suite reads it."""
    from unconceal.checkpoints.folders import open_release

    open_release(path)


def count(mutate: Mutate, read: Callable[[Path], None], cases: int, folder: Path) -> dict[str, int]:
    """How many of the cases are read and how many refused; any other error ends the run."""
    counts = {"read": 0, "refused": 0}

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check_one(data: st.DataObject) -> None:
        path = mutate(data, folder)
        try:
            read(path)
        except UnconcealError as error:
            counts["refused"] += 1
            assert str(error)
        else:
            counts["read"] += 1

    check_one()
    return counts


def long_run(cases: int) -> None:
    """Both readers, ``cases`` times each."""
    with tempfile.TemporaryDirectory() as folder:
        for name, mutate, read in (("specs", mutated_spec, read_spec), ("weights", mutated_weights, read_weights)):
            totals = count(mutate, read, cases, Path(folder))
            print(f"{name}: {totals['read']} read, {totals['refused']} refused, no other error", flush=True)


if __name__ == "__main__":
    long_run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
