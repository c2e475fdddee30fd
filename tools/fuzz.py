"""Random mistakes in whatever strangers send: specs, weights, records, probe sets, and arguments of the command line.

Whatever the bytes, the only errors are our own. The tests run 500 cases. The long run is ``python tools/fuzz.py 20000``.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from unconceal.cli.main import main
from unconceal.errors import CheckFailed, UnconcealError
from unconceal.paths import SOURCE_TREE
from unconceal.specs.document import Document
from unconceal.specs.loader import read_yaml
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.record import read_record
from unconceal.specs.submission import Submission


def first_file(pattern: str) -> bytes:
    """A true file of the source tree."""
    return next(iter(sorted(SOURCE_TREE.glob(pattern)))).read_bytes()


STATE = {"conv_in.bias": torch.ones(8), "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": torch.ones(16, 32)}
RECORD, PROBES_FILE = first_file("results/miniature-3/object/star/esd-x.*.json"), sorted(SOURCE_TREE.glob("tasks/*/*/*.probes/*.yaml"))[0]
PROBES = PROBES_FILE.read_bytes()
VERBS = (
    ("tasks", "list"),
    ("tasks", "show"),
    ("tasks", "lint"),
    ("submissions", "list"),
    ("submissions", "show"),
    ("submissions", "check", "--no-weights"),
    ("results", "check"),
    ("export", "--format", "csv"),
    ("cite",),
)
WORDS = (
    "--json",
    "--suite",
    "--task",
    "object/star",
    "tiny",
    "esd-x",
    "tiny/esd-x",
    "../..",
    "\0",
    "a" * 300,
    "\ud800",
    "--",
    "-x",
    ".",
    "/",
)
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


def replaced_value(data: st.DataObject, value: Any) -> Any:
    """A JSON value with another one somewhere in it."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        name = key if data.draw(st.integers(0, 4)) else data.draw(st.text(max_size=8))
        return {other: kept for other, kept in value.items() if other != key} | {name: replaced_value(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        index = data.draw(st.integers(0, min(len(value) - 1, 20)))
        return [*value[:index], replaced_value(data, value[index]), *value[index + 1 :]]
    return data.draw(JSON)


def mutated_record(data: st.DataObject, folder: Path) -> Path:
    """A record with mistakes: bytes, or values of any kind."""
    path = folder / "esd-x.standard-full.json"
    if data.draw(st.booleans()):
        path.write_bytes(damaged(data, RECORD))
    else:
        path.write_text(json.dumps(replaced_value(data, json.loads(RECORD))), encoding="utf-8")
    return path


def mutated_probes(data: st.DataObject, folder: Path) -> Path:
    """A probe set with mistakes; JSON is YAML, too."""
    path = folder / "model.yaml"
    if data.draw(st.booleans()):
        path.write_bytes(damaged(data, PROBES))
    else:
        path.write_text(json.dumps(replaced_value(data, Document.read(PROBES_FILE).values)), encoding="utf-8")
    return path


def mutated_arguments(data: st.DataObject, folder: Path) -> Path:
    """A verb, and options and names of any kind, one a line."""
    verb = data.draw(st.sampled_from(VERBS))
    word = st.text(max_size=12) | st.sampled_from(WORDS)
    path = folder / "arguments.json"
    path.write_text(json.dumps([*verb, *data.draw(st.lists(word, max_size=4))]), encoding="utf-8")
    return path


def read_record_file(path: Path) -> None:
    """As the suite reads it."""
    read_record(path)


def read_probes(path: Path) -> None:
    """As the suite reads it."""
    read_yaml(path, ProbeSet)


def read_arguments(path: Path) -> None:
    """As the command line reads them; an error that was not expected has a code of its own."""
    result = CliRunner().invoke(main, [*json.loads(path.read_text(encoding="utf-8")), "--root", str(path.parent / "root")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "environment.unexpected" not in result.stderr, result.stderr
    assert result.exit_code in (0, 1, 2, 3), result.exit_code
    if result.exit_code:
        raise CheckFailed("fuzz.refused", "arguments", "were refused", "")


def read_spec(path: Path) -> None:
    """As the suite reads it."""
    read_yaml(path, Submission)


def read_weights(path: Path) -> None:
    """As the suite reads it."""
    from unconceal.checkpoints.folders import open_release

    open_release(path)


READERS: dict[str, tuple[Mutate, Callable[[Path], None]]] = {
    "specs": (mutated_spec, read_spec),
    "weights": (mutated_weights, read_weights),
    "records": (mutated_record, read_record_file),
    "probe sets": (mutated_probes, read_probes),
    "arguments": (mutated_arguments, read_arguments),
}


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
    """All readers, ``cases`` times together."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "root" / "tasks").mkdir(parents=True)
        for name, (mutate, read) in READERS.items():
            totals = count(mutate, read, cases // len(READERS), Path(folder))
            print(f"{name}: {totals['read']} read, {totals['refused']} refused, no other error", flush=True)


if __name__ == "__main__":
    long_run(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
