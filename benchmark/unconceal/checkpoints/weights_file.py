"""Untrusted weights files: sizes are limited before they are read, and no code in them is ever run.

A safetensors file is checked by its header, a torch file by its archive's index and the opcodes of its pickle, before any tensor is
read. Tensors stay on the disk (memory-mapped) until they are used.
"""

from __future__ import annotations

import json
import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file

from unconceal.checkpoints.key_names import StateDict
from unconceal.errors import CheckFailed
from unconceal.specs.submission import WEIGHTS_SUFFIXES

MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_PICKLE_BYTES, MAX_CONFIG_BYTES = 32 * 2**30, 16 * 2**20, 64 * 2**20, 2**20
"""Limits of a file, a safetensors header, a torch file's pickle and a JSON config, far above those of released checkpoints."""
MAX_TENSORS, MAX_DIMENSIONS, MAX_KEY_LENGTH = 20_000, 8, 500

BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8}
"""Element sizes of the safetensors types that released weights come in."""
REBUILDS = {("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")}
STORAGES = {("torch", f"{kind}Storage") for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")}
ALLOWED_GLOBALS = REBUILDS | STORAGES | {("torch", "Size"), ("torch.nn.parameter", "Parameter"), ("torch.storage", "UntypedStorage")}
"""Globals that a state dict needs. torch's own list also allows functions that allocate buffers of any size."""
WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which trainers save a state dict."""
DAMAGED = "download or export it again"


@dataclass(frozen=True)
class Weights:
    """An opened file. ``tables``: named tensors by table, "" for those at the top; ``ignored``: names of other contents."""

    path: Path
    tables: dict[str, StateDict]
    metadata: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def flat(self) -> StateDict:
        """The tensors of a file that holds one table."""
        return self.tables.get("", {})


def read_file(path: Path) -> Weights:
    """Read the tensors of one weights file, on the CPU in their stored precision, memory-mapped where the file allows it.

    Raises:
        CheckFailed: the file is too large or damaged, misstates its contents, or would need code to be run.
    """
    if path.suffix not in WEIGHTS_SUFFIXES:
        raise CheckFailed(
            "checkpoint.unknown-format",
            str(path),
            f"is in no known format: weights end in {', '.join(WEIGHTS_SUFFIXES)}",
            "release the weights in such a file",
        )
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise CheckFailed(
            "checkpoint.too-large",
            str(path),
            f"is larger than {MAX_FILE_BYTES // 2**30} GiB, so it is not opened",
            "release the changed weights only",
        )
    with path.open("rb") as stream:
        start = stream.read(9)
    # A safetensors file begins with the length of its header, and the header with a brace.
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES:
        return _safetensors(path, size)
    if path.suffix == ".safetensors" or not start.startswith((b"PK\x03\x04", b"\x80")):
        kind = "safetensors" if path.suffix == ".safetensors" else "torch"
        raise CheckFailed("checkpoint.damaged", str(path), f"does not begin as a {kind} file does, so it is not opened", DAMAGED)
    return _torch_file(path)


def _safetensors(path: Path, size: int) -> Weights:
    header = _header(path, size)
    metadata = header.pop("__metadata__", {})
    if len(header) > MAX_TENSORS:
        raise CheckFailed(
            "checkpoint.too-large", str(path), f"lists {len(header)} tensors, more than any model has ({MAX_TENSORS})", DAMAGED
        )
    for key, entry in header.items():
        _check_entry(path, key, entry)
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckFailed("checkpoint.damaged", str(path), "has metadata that are not plain text", DAMAGED)
    try:
        tensors = load_file(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    return Weights(path, {"": tensors} if tensors else {}, metadata)


def _header(path: Path, size: int) -> dict[str, Any]:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 10 or length > min(size - 8, MAX_HEADER_BYTES):
            raise CheckFailed(
                "checkpoint.damaged", str(path), f"claims a header of {length} bytes in a file of {size}, so it is not read", DAMAGED
            )
        try:
            header = json.loads(stream.read(length))
        except (ValueError, RecursionError) as error:
            raise CheckFailed("checkpoint.damaged", str(path), f"has a header that is no JSON ({type(error).__name__})", DAMAGED) from error
    if not isinstance(header, dict):
        raise CheckFailed("checkpoint.damaged", str(path), "has a header that is no table", DAMAGED)
    return header


def _check_entry(path: Path, key: str, entry: Any) -> None:
    """Check one entry of a header: a known type, few dimensions, and as many bytes as its shape needs."""
    try:
        bits, shape, (begin, end) = BITS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
        valid = whole and len(shape) <= MAX_DIMENSIONS and len(key) <= MAX_KEY_LENGTH and math.prod(shape) * bits == 8 * (end - begin)
    except (KeyError, TypeError, ValueError):
        valid = False
    if not valid:
        consequence = f"describes its tensor {shortened(key)} in a way that is not plausible ({shortened(str(entry))})"
        raise CheckFailed("checkpoint.damaged", str(path), consequence, "export it again, in float32, float16 or bfloat16")


def _torch_file(path: Path) -> Weights:
    archive = zipfile.is_zipfile(path)
    for opcode, argument in _archived(path) if archive else _bare(path):
        _check_opcode(path, opcode, argument)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:
        raise _unreadable(path, error) from error
    return _tabled(path, content)


def _archived(path: Path) -> Iterator[tuple[str, Any]]:
    """The opcodes of a torch archive's pickle; refused if the archive is compressed or was not written by torch."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > entry.compress_size]
            pickles = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            total = sum(entry.file_size for entry in entries)
            if packed or len(entries) > 2 * MAX_TENSORS or total > path.stat().st_size:
                consequence = f"unpacks to {total} bytes in {len(entries)} parts, which torch never writes, so it is not opened"
                raise CheckFailed("checkpoint.unsafe", str(path), consequence, "release it as safetensors")
            if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE_BYTES:
                raise CheckFailed("checkpoint.damaged", str(path), "is an archive, but none that torch wrote", DAMAGED)
            yield from _opcodes(path, archive.read(pickles[0]))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise _unreadable(path, error) from error


def _bare(path: Path) -> Iterator[tuple[str, Any]]:
    """The opcodes of a legacy torch file: five pickles, of which the last lists the storages, then the tensors' bytes."""
    with path.open("rb") as stream:
        for _ in range(5):
            for opcode in _opcodes(path, stream):
                yield opcode
                if stream.tell() > MAX_PICKLE_BYTES:
                    consequence = "holds a pickle longer than any model's, so it is not opened"
                    raise CheckFailed("checkpoint.unsafe", str(path), consequence, "release it as safetensors")


def _opcodes(path: Path, pickled: bytes | IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Name and argument of every opcode of one pickle."""
    opcodes = pickletools.genops(pickled)
    while True:
        try:
            opcode, argument, _ = next(opcodes)
        except StopIteration:
            return
        except Exception as error:
            raise _unreadable(path, error) from error
        yield opcode.name, argument


def _check_opcode(path: Path, opcode: str, argument: Any) -> None:
    """Refuse globals other than those of tensors, and opcodes that look up globals in other ways."""
    if opcode == "PROTO" and argument > pickle.HIGHEST_PROTOCOL:
        raise CheckFailed("checkpoint.damaged", str(path), f"has pickle protocol {argument}, which does not exist", DAMAGED)
    global_name = tuple(str(argument).split(" ", 1)) if opcode == "GLOBAL" else None
    if (global_name and global_name not in ALLOWED_GLOBALS) or opcode in (
        "STACK_GLOBAL",
        "INST",
        "OBJ",
        "EXT1",
        "EXT2",
        "EXT4",
        "NEWOBJ",
        "NEWOBJ_EX",
    ):
        name = ".".join(global_name) if global_name else opcode
        consequence = f"is a pickle of more than tensors ({shortened(name)}), so it is not opened"
        raise CheckFailed("checkpoint.unsafe", str(path), consequence, "release it as safetensors")


def _tabled(path: Path, content: Any) -> Weights:
    """The tables of tensors in what a torch file held."""
    if not isinstance(content, dict):
        consequence = f"holds a {type(content).__name__}, not a table of named tensors"
        raise CheckFailed("checkpoint.wrong-layout", str(path), consequence, "release the state dict, as safetensors")
    tables: dict[str, StateDict] = {"": {key: value for key, value in content.items() if _is_named_tensor(key, value)}}
    rest = {key: value for key, value in content.items() if key not in tables[""]}
    for name in [name for name, value in rest.items() if isinstance(name, str) and _is_table(value)]:
        table = rest.pop(name)
        tables.setdefault("" if name in WRAPPERS else name, {}).update(table)
    tables = {name: table for name, table in tables.items() if table}
    if not tables:
        raise CheckFailed("checkpoint.no-weights", str(path), "holds no named tensors", "release the state dict itself, as safetensors")
    for table in tables.values():
        for key, tensor in table.items():
            _check_tensor(path, key, tensor)
    if sum(map(len, tables.values())) > MAX_TENSORS:
        raise CheckFailed("checkpoint.too-large", str(path), f"holds more than {MAX_TENSORS} tensors, more than any model has", DAMAGED)
    return Weights(path, tables, ignored=tuple(sorted(shortened(str(name)) for name in rest)))


def _is_named_tensor(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, torch.Tensor)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_is_named_tensor(key, tensor) for key, tensor in value.items())


def _check_tensor(path: Path, key: str, tensor: torch.Tensor) -> None:
    """Check that a tensor is plain and not larger than its storage: views can have any size."""
    is_stored = tensor.layout == torch.strided and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
    if not is_stored or tensor.ndim > MAX_DIMENSIONS or len(key) > MAX_KEY_LENGTH or tensor.is_quantized or tensor.is_complex():
        consequence = f"claims a tensor {shortened(key)} of shape {shortened(str(tuple(tensor.shape)))} that it does not hold"
        raise CheckFailed("checkpoint.damaged", str(path), consequence, DAMAGED)


def _unreadable(path: Path, error: Exception) -> CheckFailed:
    return CheckFailed(
        "checkpoint.damaged", str(path), f"cannot be read as weights ({shortened(f'{type(error).__name__}: {error}', 160)})", DAMAGED
    )


def shortened(text: str, max_length: int = 80) -> str:
    """Untrusted text for a one-line message: without control characters, at max_length ``max_length`` long."""
    printable = "".join(char if char.isprintable() else "·" for char in text[: max_length + 1])
    return printable if len(printable) <= max_length else printable[: max_length - 1] + "…"
