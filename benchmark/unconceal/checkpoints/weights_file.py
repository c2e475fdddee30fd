"""Untrusted weights files: sizes are limited before they are read, and no code in them is ever run.

A safetensors file is checked by its header, a torch file by its archive's index and the opcodes of its pickle, before any tensor is
read. Tensors stay on the disk (memory-mapped) until they are used.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from safetensors.torch import load_file

from unconceal.checkpoints.key_names import StateDict
from unconceal.errors import CheckFailed
from unconceal.specs.json_budget import parse_json
from unconceal.specs.submission import WEIGHTS_SUFFIXES

MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_PICKLE_BYTES, MAX_CONFIG_BYTES = 32 * 2**30, 16 * 2**20, 16 * 2**20, 2**20
"""Limits of a file, a safetensors header, a torch file's pickle and a JSON config, far above those of released checkpoints."""
MAX_TENSORS, MAX_DIMENSIONS, MAX_KEY_LENGTH = 20_000, 8, 500
MAX_OPCODES, MAX_NESTING = 1_000_000, 100
"""Opcodes of a pickle, of which a tensor takes about 40; opcodes in a row that put a tuple into a tuple, or name it."""
NESTING_OPCODES = frozenset({"TUPLE1", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})

BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8}
"""Element sizes of the safetensors types that released weights come in."""
REBUILDS = {("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")}
STORAGES = {("torch", f"{kind}Storage") for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")}
ALLOWED_GLOBALS = REBUILDS | STORAGES | {("torch", "Size"), ("torch.nn.parameter", "Parameter"), ("torch.storage", "UntypedStorage")}
"""Globals that a state dict needs. torch's own list also allows functions that allocate buffers of any size."""
CALLBACKS = ("model_checkpoint.ModelCheckpoint", "early_stopping.EarlyStopping", "lr_monitor.LearningRateMonitor")
CLASS_NAMES = tuple(f"{package}.callbacks.{name}" for package in ("pytorch_lightning", "lightning.pytorch") for name in CALLBACKS)
"""Classes by which old versions of Lightning key the state of a trainer's callbacks. They are read as names and never imported."""
NUMBERS = ("alpha", "scale", "multiplier")
"""Ends of the keys under which some trainers save a plain number that acts on the weights."""
MAX_DEPTH, MAX_NODES = 10, 200_000
"""Limits of nested tables."""
DAMAGED = "download or export it again"


@dataclass(frozen=True)
class Weights:
    """An opened file.

    Attributes:
        tensors: by name; the names of nested tables are joined by dots.
        metadata: text beside the tensors.
        others: names of contents that are no tensors.
    """

    path: Path
    tensors: StateDict
    metadata: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


class NamedClass:
    """Stands for a class of a trainer that a pickle names: it has no behaviour."""

    name: ClassVar[str] = ""


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
    return Weights(path, tensors, metadata)


def _header(path: Path, size: int) -> dict[str, Any]:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 10 or length > min(size - 8, MAX_HEADER_BYTES):
            raise CheckFailed(
                "checkpoint.damaged", str(path), f"claims a header of {length} bytes in a file of {size}, so it is not read", DAMAGED
            )
        try:
            header, key = parse_json(stream.read(length))
        except (ValueError, RecursionError) as error:
            raise CheckFailed("checkpoint.damaged", str(path), f"has a header that is no JSON ({type(error).__name__})", DAMAGED) from error
    if not isinstance(header, dict):
        raise CheckFailed("checkpoint.damaged", str(path), "has a header that is no table", DAMAGED)
    if key is not None:
        consequence = f"has {shortened(key)!r} twice in its header, of which readers take one or the other"
        raise CheckFailed("checkpoint.damaged", str(path), consequence, DAMAGED)
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
        with torch.serialization.safe_globals([(_named_class(name), name) for name in CLASS_NAMES]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:
        raise _unreadable(path, error) from error
    return _flattened(path, content)


def _archived(path: Path) -> Iterator[tuple[str, Any]]:
    """The opcodes of a torch archive's pickle; refused if the archive is compressed or was not written by torch."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > entry.compress_size]
            # torch's reader takes names for equal that differ in letter case, and finds the folder of the first entry.
            names = [entry.filename.lower() for entry in entries]
            pickles = [entry for entry in entries if entry.filename.lower().endswith("data.pkl")]
            expected = f"{entries[0].filename.split('/')[0]}/data.pkl" if entries else ""
            total = sum(entry.file_size for entry in entries)
            if packed or len(entries) > 2 * MAX_TENSORS or total > path.stat().st_size:
                consequence = f"unpacks to {total} bytes in {len(entries)} parts, which torch never writes, so it is not opened"
                raise CheckFailed("checkpoint.unsafe", str(path), consequence, "release it as safetensors")
            if len(pickles) == 1 and (len(set(names)) < len(names) or pickles[0].filename != expected):
                consequence = "has names that differ in letter case alone, or another pickle beside its own, so it is not opened"
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
    opcodes, nesting = pickletools.genops(pickled), 0
    for number in count():
        if number > MAX_OPCODES or nesting > MAX_NESTING:
            consequence = "holds a pickle longer or deeper than any model's, so it is not opened"
            raise CheckFailed("checkpoint.unsafe", str(path), consequence, "release it as safetensors")
        try:
            opcode, argument, _ = next(opcodes)
        except StopIteration:
            return
        except Exception as error:
            raise _unreadable(path, error) from error
        nesting = nesting + 1 if opcode.name in NESTING_OPCODES else 0
        yield opcode.name, argument


def _check_opcode(path: Path, opcode: str, argument: Any) -> None:
    """Refuse globals other than those of tensors, and opcodes that look up globals in other ways."""
    if opcode == "PROTO" and argument > pickle.HIGHEST_PROTOCOL:
        raise CheckFailed("checkpoint.damaged", str(path), f"has pickle protocol {argument}, which does not exist", DAMAGED)
    global_name = tuple(str(argument).split(" ", 1)) if opcode == "GLOBAL" else None
    if (global_name and global_name not in ALLOWED_GLOBALS and ".".join(global_name) not in CLASS_NAMES) or opcode in (
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


def _named_class(name: str) -> type:
    return type(name.rpartition(".")[2], (NamedClass,), {"name": name})


def _flattened(path: Path, content: Any) -> Weights:
    """The tensors of everything that a torch file held, by their whole names."""
    if not isinstance(content, dict):
        consequence = f"holds a {type(content).__name__}, not a table of named tensors"
        raise CheckFailed("checkpoint.wrong-layout", str(path), consequence, "release the state dict, as safetensors")
    tensors: StateDict = {}
    others: set[str] = set()
    for names, value in _leaves(path, content):
        key = ".".join(names)
        if isinstance(value, int | float) and not isinstance(value, bool) and key.endswith(NUMBERS):
            value = torch.tensor(float(value))
        if not isinstance(value, torch.Tensor):
            others.add(shortened(names[0]))
            continue
        if key in tensors:
            raise CheckFailed("checkpoint.damaged", str(path), f"holds two tensors {shortened(key)!r}", DAMAGED)
        _check_tensor(path, key, value)
        tensors[key] = value
    if not tensors:
        consequence = f"holds no named tensors, but {shortened(', '.join(sorted(others)) or 'nothing')}"
        raise CheckFailed("checkpoint.no-weights", str(path), consequence, "release the state dict itself, as safetensors")
    if len(tensors) > MAX_TENSORS:
        raise CheckFailed("checkpoint.too-large", str(path), f"holds more than {MAX_TENSORS} tensors, more than any model has", DAMAGED)
    return Weights(path, tensors, others=tuple(sorted(others)))


def _leaves(path: Path, content: dict[Any, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything in nested tables and lists, in order, by the names that lead to it."""
    pending: list[tuple[tuple[str, ...], Any]] = [((), content)]
    nodes = 0
    while pending:
        names, value = pending.pop()
        nodes += 1
        if len(names) > MAX_DEPTH or nodes > MAX_NODES:
            raise CheckFailed("checkpoint.damaged", str(path), "nests more tables than any trainer writes, so it is not read", DAMAGED)
        if isinstance(value, dict):
            pending += [((*names, _name(key)), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list | tuple):
            pending += [((*names, str(number)), inner) for number, inner in reversed(list(enumerate(value)))]
        else:
            yield names, value


def _name(key: Any) -> str:
    return key.name if isinstance(key, type) and issubclass(key, NamedClass) else str(key)


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


def check_floating(tensors: Iterable[torch.Tensor], name: str, source: str) -> None:
    """Check that tensors hold weights.

    Raises:
        CheckFailed: one holds whole numbers or truth values, which no training leaves behind.
    """
    wrong = next((tensor.dtype for tensor in tensors if not tensor.is_floating_point()), None)
    if wrong is not None:
        consequence = f"{name} holds whole numbers ({str(wrong).removeprefix('torch.')}) where weights are floating-point numbers"
        raise CheckFailed("checkpoint.not-floating", source, consequence, "export the weights again in float32")


def shortened(text: str, max_length: int = 80) -> str:
    """Untrusted text for a one-line message: without control characters, at most ``max_length`` long.

    Start and end stay: the end of a key tells what it is.
    """
    if len(text) > max_length:
        head = max_length // 3
        text = f"{text[:head]}…{text[len(text) - (max_length - head - 1) :]}"
    return "".join(char if char.isprintable() else "·" for char in text)
