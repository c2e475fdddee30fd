"""Pickles that carry code, and torch archives that lie about their size."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from checkpoints.hostile.corpus import CORPUS, KEY, put, tries


class Runs:
    """A pickle of it calls ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def archive(folder: Path, pickled: bytes, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> Path:
    """A torch archive of any pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        packed.writestr("archive/data.pkl", pickled)
        packed.writestr("archive/byteorder", b"little")
        packed.writestr("archive/version", b"3\n")
        for name, content in (storages or {}).items():
            packed.writestr(f"archive/data/{name}", content)
    return put(folder, "x.pt", buffer.getvalue())


def tensor_pickle(numel: int, shape: tuple[int, ...], stride: tuple[int, ...], storage: str = "FloatStorage") -> bytes:
    """A pickle of one tensor over storage "0" with any claims about its size."""
    data = io.BytesIO()

    def whole(number: int) -> bytes:
        return pickle.LONG1 + bytes([8]) + struct.pack("<q", number)

    def text(value: str) -> bytes:
        return pickle.BINUNICODE + struct.pack("<I", len(value)) + value.encode()

    def several(numbers: tuple[int, ...]) -> bytes:
        return pickle.MARK + b"".join(map(whole, numbers)) + pickle.TUPLE

    data.write(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + text(KEY) + pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n" + pickle.MARK)
    data.write(pickle.MARK + text("storage") + pickle.GLOBAL + f"torch\n{storage}\n".encode() + text("0") + text("cpu") + whole(numel))
    data.write(pickle.TUPLE + pickle.BINPERSID + whole(0) + several(shape) + several(stride) + pickle.NEWFALSE)
    data.write(pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE)
    return data.getvalue() + pickle.SETITEM + pickle.STOP


MORE = "checkpoint.unsafe"
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
    message = pickle.dumps(argument, protocol=2)[2:-1]
    return (
        pickle.PROTO
        + b"\x02"
        + pickle.EMPTY_DICT
        + pickle.dumps(KEY, 2)[2:-1]
        + f"c{module}\n{name}\n".encode()
        + message
        + b"\x85R"
        + b"s."
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


@tries("a script of torch", "checkpoint.unsafe")
def _(folder: Path) -> Path:
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), folder / "x.pt")
    return folder / "x.pt"


@tries("an extension registered for a pickle's code", MORE)
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}\x82\x01s.")


@tries("a pickle whose code is an instance", MORE)
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}(iposix\nsystem\ns.")


@tries("a tensor of a million million elements, by stride", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (10**6, 10**6), (0, 0)), {"0": b"\0" * 4})


@tries("a tensor beyond its storage", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (10**12,), (1,)), {"0": b"\0" * 4})


@tries("a storage larger than its part", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(10**12, (10**12,), (1,)), {"0": b"\0" * 4})


@tries("a storage that is missing", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (1,), (1,)))


@tries("a quantised storage", MORE)
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(1, (1,), (1,), "QInt8Storage"), {"0": b"\0"})


@tries("a zip bomb", "checkpoint.unsafe")
def _(folder: Path) -> Path:
    return archive(folder, tensor_pickle(2**24, (2**24,), (1,)), {"0": b"\0" * 2**26}, zipfile.ZIP_DEFLATED)


@tries("an archive of fifty thousand parts", "checkpoint.unsafe")
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x02}.", {str(number): b"" for number in range(50_000)})


@tries("an archive with two pickles", "checkpoint.damaged")
def _(folder: Path) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name in ("archive/data.pkl", "other/data.pkl"):
            packed.writestr(name, b"\x80\x02}.")
    return put(folder, "x.pt", data.getvalue())


@tries("an archive that is none of torch's", "checkpoint.damaged")
def _(folder: Path) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr("../../ran", b"x")
    return put(folder, "x.bin", data.getvalue())


@tries("a pickle of a protocol that there is none of", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return archive(folder, b"\x80\x25}.")


@tries("half an archive", "checkpoint.damaged")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8)}, folder / "whole.pt")
    return put(folder, "x.pt", (folder / "whole.pt").read_bytes()[:-40])


@tries("a pickle that never ends", "checkpoint.damaged")
def _(folder: Path) -> Path:
    return put(folder, "x.pt", b"\x80\x02" + b"}" * 100_000)


@tries("a table in a table in a table", "checkpoint.unknown-keys")
def _(folder: Path) -> Path:
    torch.save({"a": {"b": {"c": torch.ones(1)}}}, folder / "x.pt")
    return folder / "x.pt"


@tries("a list of itself, a billion times over", "checkpoint.damaged")
def _(folder: Path) -> Path:
    laughs: list[Any] = ["ha"]
    for _ in range(30):
        laughs = [laughs, laughs]
    torch.save({"a": laughs}, folder / "x.pt")
    return folder / "x.pt"


@tries("a sparse tensor", "checkpoint.unsafe")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8).to_sparse()}, folder / "x.pt")
    return folder / "x.pt"


@tries("complex weights", "checkpoint.unsafe")
def _(folder: Path) -> Path:
    torch.save({KEY: torch.ones(8, dtype=torch.complex64)}, folder / "x.pt")
    return folder / "x.pt"
