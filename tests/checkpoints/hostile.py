"""Files that a stranger might send: each written to a folder, with what the refusal has to say.

None of them may run, fill the memory, take long, or leave anything behind.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Hostile = Callable[[Path], Path]
KEY = "conv_in.bias"
CORPUS: dict[str, tuple[Hostile, str]] = {}
"""What it tries: who writes it, and what the line says."""


def tries(what: str, says: str) -> Callable[[Hostile], Hostile]:
    def listed(make: Hostile) -> Hostile:
        CORPUS[what] = (make, says)
        return make

    return listed


class Runs:
    """A pickle of it calls ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def header(entries: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of any header, true or not."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: Any = (8,), offsets: Any = (0, 32)) -> dict[str, Any]:
    return {KEY: {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": list(offsets)}}


def archive(folder: Path, pickled: bytes, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> Path:
    """A torch archive of any pickle."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as packed:
        packed.writestr("archive/data.pkl", pickled)
        packed.writestr("archive/byteorder", b"little")
        packed.writestr("archive/version", b"3\n")
        for name, data in (storages or {}).items():
            packed.writestr(f"archive/data/{name}", data)
    return put(folder, "x.pt", made.getvalue())


def tensor_pickle(numel: int, shape: tuple[int, ...], stride: tuple[int, ...], storage: str = "FloatStorage") -> bytes:
    """A pickle of one tensor over storage "0" with any claims about its size."""
    made = io.BytesIO()

    def whole(number: int) -> bytes:
        return pickle.LONG1 + bytes([8]) + struct.pack("<q", number)

    def text(said: str) -> bytes:
        return pickle.BINUNICODE + struct.pack("<I", len(said)) + said.encode()

    def several(numbers: tuple[int, ...]) -> bytes:
        return pickle.MARK + b"".join(map(whole, numbers)) + pickle.TUPLE

    made.write(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + text(KEY) + pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n" + pickle.MARK)
    made.write(pickle.MARK + text("storage") + pickle.GLOBAL + f"torch\n{storage}\n".encode() + text("0") + text("cpu") + whole(numel))
    made.write(pickle.TUPLE + pickle.BINPERSID + whole(0) + several(shape) + several(stride) + pickle.NEWFALSE)
    made.write(pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE)
    return made.getvalue() + pickle.SETITEM + pickle.STOP


# --- pickles that carry code ------------------------------------------------------------------------------------------------------

MORE = "pickle of more than tensors"
CALLS: dict[str, Any] = {
    "a pickle that calls os.system": ("posix", "system", "touch ran"),
    "a pickle that calls eval": ("builtins", "eval", "open('ran', 'w')"),
    "a pickle that calls exec": ("builtins", "exec", "open('ran', 'w')"),
    "a pickle that opens a file": ("builtins", "open", "ran"),
    "a pickle that starts a process": ("subprocess", "Popen", "touch ran"),
    "a pickle that reads attributes": ("builtins", "getattr", "x"),
    "a pickle that imports": ("importlib", "import_module", "antigravity"),
    "a pickle that loads another pickle": ("pickle", "loads", "x"),
    "a pickle that loads a torch library": ("torch._ops", "load_library", "x.so"),
    "a pickle that fetches from torch's hub": ("torch.hub", "load", "someone/repo"),
    "a pickle that opens a browser": ("webbrowser", "open", "x"),
    "a pickle that removes a folder": ("shutil", "rmtree", "x"),
    "a pickle of numpy's scalars": ("numpy.core.multiarray", "scalar", "x"),
    "a pickle that makes a buffer of any size": ("builtins", "bytearray", 10**12),
    "a pickle that makes a tensor of any size": ("torch", "Tensor", 10**12),
    "a pickle that counts": ("collections", "Counter", "x"),
}


def calling(module: str, name: str, argument: Any) -> bytes:
    said = pickle.dumps(argument, protocol=2)[2:-1]
    return (
        pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.dumps(KEY, 2)[2:-1] + f"c{module}\n{name}\n".encode() + said + b"\x85R" + b"s."
    )


for _what, _call in CALLS.items():
    CORPUS[_what] = (lambda folder, call=_call: archive(folder, calling(*call)), MORE)  # type: ignore[misc]
    CORPUS[f"{_what}, in an old file"] = (lambda folder, call=_call: put(folder, "x.bin", calling(*call)), MORE)  # type: ignore[misc]


@tries("a pickle by the newest protocol", MORE)
def _(folder: Path) -> Path:
    return archive(folder, pickle.dumps({KEY: Runs(print, "ran")}, protocol=5))


@tries("code in what a trainer wraps", MORE)
def _(folder: Path) -> Path:
    torch.save({"state_dict": {KEY: torch.ones(8)}, "callbacks": Runs(print, "ran")}, folder / "x.ckpt")
    return folder / "x.ckpt"


@tries("a whole model instead of its weights", MORE)
def _(folder: Path) -> Path:
    torch.save(torch.nn.Linear(2, 2), folder / "x.pt")
    return folder / "x.pt"


@tries("a script of torch", "unpacks to|cannot be read|none that torch wrote")
def _(folder: Path) -> Path:
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), folder / "x.pt")
    return folder / "x.pt"


@tries("an extension registered for a pickle's code", MORE)
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}\x82\x01s.")


@tries("a pickle whose code is an instance", MORE)
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}(iposix\nsystem\ns.")


# --- torch files that lie about their size -----------------------------------------------------------------------------------------


@tries("a tensor of a million million elements, by stride", "claims a tensor")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (10**6, 10**6), (0, 0)), {"0": b"\0" * 4})


@tries("a tensor beyond its storage", "cannot be read")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (10**12,), (1,)), {"0": b"\0" * 4})


@tries("a storage larger than its part", "cannot be read|claims a tensor")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(10**12, (10**12,), (1,)), {"0": b"\0" * 4})


@tries("a storage that is missing", "cannot be read")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (1,), (1,)))


@tries("a quantised storage", MORE)
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (1,), (1,), "QInt8Storage"), {"0": b"\0"})


@tries("a zip bomb", "unpacks to")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(2**24, (2**24,), (1,)), {"0": b"\0" * 2**26}, zipfile.ZIP_DEFLATED)


@tries("an archive of fifty thousand parts", "unpacks to")
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}.", {str(number): b"" for number in range(50_000)})


@tries("an archive with two pickles", "none that torch wrote")
def _(folder: Path) -> Path:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name in ("archive/data.pkl", "other/data.pkl"):
            packed.writestr(name, b"\x80\x02}.")
    return put(folder, "x.pt", made.getvalue())


@tries("an archive that is none of torch's", "none that torch wrote")
def _(folder: Path) -> Path:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("../../ran", b"x")
    return put(folder, "x.bin", made.getvalue())


@tries("a pickle of a protocol that there is none of", "pickle of protocol 37")
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x25}.")


@tries("half an archive", "cannot be read")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8)}, folder / "whole.pt")
    return put(folder, "x.pt", (folder / "whole.pt").read_bytes()[:-40])


@tries("a pickle that never ends", "cannot be read")
def _(folder: Path) -> Path:
    return put(folder, "x.pt", b"\x80\x02" + b"}" * 100_000)


@tries("a table in a table in a table", "named tensors")
def _(folder: Path) -> Path:
    torch.save({"a": {"b": {"c": torch.ones(1)}}}, folder / "x.pt")
    return folder / "x.pt"


@tries("a list of itself, a billion times over", "named tensors")
def _(folder: Path) -> Path:
    laughs: list[Any] = ["ha"]
    for _ in range(30):
        laughs = [laughs, laughs]
    torch.save({"a": laughs}, folder / "x.pt")
    return folder / "x.pt"


@tries("a sparse tensor", f"{MORE}|claims a tensor")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8).to_sparse()}, folder / "x.pt")
    return folder / "x.pt"


@tries("complex weights", f"{MORE}|claims a tensor")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8, dtype=torch.complex64)}, folder / "x.pt")
    return folder / "x.pt"


# --- safetensors that lie ----------------------------------------------------------------------------------------------------------

LIES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "does not begin as"),
    "a header longer than its file": (header(entry(), length=10**6), "claims a header|does not begin"),
    "a header of 16 million million bytes": (header(entry(), length=2**44), "does not begin as"),
    "a header that is no JSON": (header(b"{" * 100), "no JSON"),
    "a header a hundred thousand deep": (header(b'{"a":' + b"[" * 100_000), "no JSON"),
    "a header cut short": (header(entry())[:40], "claims a header"),
    "a tensor of a million million elements": (header(entry(shape=(10**6, 10**6))), "not plausible"),
    "more bytes than the shape needs": (header(entry(offsets=(0, 64)), b"\0" * 64), "not plausible"),
    "bytes beyond the end of the file": (header(entry(), b"\0" * 8), "cannot be read"),
    "negative offsets": (header(entry(offsets=(-32, 0)), b"\0" * 32), "not plausible"),
    "a negative shape": (header(entry(shape=(-8,))), "not plausible"),
    "a shape of words": (header(entry(shape=["8"])), "not plausible"),
    "a shape of truth values": (header(entry(shape=(True,), offsets=(0, 4)), b"\0" * 4), "not plausible"),
    "a type that nobody knows": (header(entry(dtype="F1024"), b"\0" * 32), "not plausible"),
    "a tensor of a thousand dimensions": (header(entry(shape=(1,) * 1000, offsets=(0, 4)), b"\0" * 4), "not plausible"),
    "a hundred thousand tensors": (
        header({f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}),
        "lists 100000",
    ),
    "metadata that are no text": (header({"__metadata__": {"a": {"b": 1}}, **entry()}, b"\0" * 32), "not plain text"),
    "two tensors in one place": (header(entry() | {"conv_out.bias": entry()[KEY]}, b"\0" * 32), "cannot be read"),
    "a page of the web": (b"<html><script>alert(1)</script></html>", "does not begin as"),
    "a pointer instead of the file": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "does not begin as"),
}
for _what, (_data, _says) in LIES.items():
    CORPUS[_what] = (lambda folder, data=_data: put(folder, "x.safetensors", data), _says)  # type: ignore[misc]


@tries("a pickle named safetensors", "does not begin as a safetensors file")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8)}, folder / "x.pt")
    return (folder / "x.pt").rename(folder / "x.safetensors")


@tries("a script named as weights", "does not begin as a torch file")
def _(folder: Path) -> Path:
    return put(folder, "x.bin", b"#!/bin/sh\ntouch ran\n")


@tries("a program", "no known format")
def _(folder: Path) -> Path:
    return put(folder, "model.py", b"open('ran', 'w')")


# --- weights that are no model -----------------------------------------------------------------------------------------------------


def saved(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file(state, folder / "x.safetensors")
    return folder / "x.safetensors"


@tries("weights that are not numbers", "NaN")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("nan"))})


@tries("infinite weights", "NaN or infinite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("inf"))})


@tries("weights that overflow in the base's precision", "NaN or infinite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 1e300, dtype=torch.float64)})


@tries("whole numbers for weights", "whole numbers")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 2**40)})


@tries("weights of another shape", "another architecture")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.ones(9)})


@tries("a key that closes the page's tag", "no known format|belong to no part")
def _(folder: Path) -> Path:
    return saved(folder, {"</td><script>alert(1)</script>": torch.ones(8)})


@tries("a key with a line break and an escape", "no known format|belong to no part")
def _(folder: Path) -> Path:
    return saved(folder, {"x\n\x1b[31mred": torch.ones(8)})


@tries("a format string for a key", "no known format|belong to no part")
def _(folder: Path) -> Path:
    return saved(folder, {"{0.__class__}%s%n": torch.ones(8)})


# --- folders -----------------------------------------------------------------------------------------------------------------------


@tries("a link out of the folder", "link out of its folder")
def _(folder: Path) -> Path:
    secret = saved(folder, {KEY: torch.ones(8)})
    (folder / "release" / "unet").mkdir(parents=True)
    (folder / "release" / "unet" / "diffusion_pytorch_model.safetensors").symlink_to(secret)
    return folder / "release"


@tries("a folder that is a link", "link out of its folder")
def _(folder: Path) -> Path:
    saved(folder, {KEY: torch.ones(8)})
    (folder / "release").mkdir()
    (folder / "release" / "unet").symlink_to(folder)
    return folder / "release"


@tries("shards that lie elsewhere", "no weights file of its folder")
def _(folder: Path) -> Path:
    saved(folder, {KEY: torch.ones(8)})
    listing = json.dumps({"weight_map": {KEY: "../x.safetensors"}}).encode()
    put(folder, "release/unet/diffusion_pytorch_model.safetensors.index.json", listing)
    return folder / "release"


@tries("ten thousand shards", "lists 10000 shards")
def _(folder: Path) -> Path:
    listing = json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(10_000)}}).encode()
    put(folder, "release/unet/diffusion_pytorch_model.safetensors.index.json", listing)
    return folder / "release"


@tries("settings longer than any", "longer than")
def _(folder: Path) -> Path:
    put(folder, "release/model_index.json", b'{"a": "' + b"x" * 2**21 + b'"}')
    return folder / "release"


@tries("settings a hundred thousand deep", "no JSON")
def _(folder: Path) -> Path:
    put(folder, "release/model_index.json", b"[" * 100_000)
    return folder / "release"


@tries("a pipeline that names its own code", "holds no weights")
def _(folder: Path) -> Path:
    put(folder, "release/model_index.json", json.dumps({"_class_name": ["pipeline", "Mine"], "unet": ["mine", "Net"]}).encode())
    put(folder, "release/pipeline.py", b"open('ran', 'w')")
    return folder / "release"


@tries("a pickle with code in a folder", MORE)
def _(folder: Path) -> Path:
    made = archive(folder, calling("posix", "system", "touch ran"))
    (folder / "release" / "unet").mkdir(parents=True)
    made.rename(folder / "release" / "unet" / "diffusion_pytorch_model.bin")
    return folder / "release"


@tries("an adapter whose patterns never end", "by patterns")
def _(folder: Path) -> Path:
    name = "base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    (folder / "release").mkdir()
    save_file(
        {f"{name}.lora_A.weight": torch.ones(2, 32), f"{name}.lora_B.weight": torch.ones(16, 2)},
        folder / "release" / "adapter_model.safetensors",
    )
    put(folder, "release/adapter_config.json", json.dumps({"lora_alpha": 2, "alpha_pattern": {"(a+)+$": 3}}).encode())
    return folder / "release"
