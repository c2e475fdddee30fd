"""Files that cost their reader more than they hold: time, stack, disk; names that two readers resolve differently; absurd values."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import torch

from checkpoints.hostile.corpus import KEY, put, saved, tries
from checkpoints.hostile.torch_files import archive, tensor_pickle
from unconceal.checkpoints.weights_file import MAX_NESTING, MAX_OPCODES

UNSAFE, IMPLAUSIBLE = "checkpoint.unsafe", "checkpoint.implausible"
GOOD = tensor_pickle(4, (4,), (1,))


def with_entries(folder: Path, *names: str) -> Path:
    """A good archive with further entries."""
    path = archive(folder, GOOD, {"0": b"\0" * 16})
    with zipfile.ZipFile(path, "a") as packed:
        for name in names:
            packed.writestr(name, GOOD)
    return path


@tries("a storage under its name in capitals", UNSAFE)
def storage_in_capitals(folder: Path) -> Path:
    return with_entries(folder, "archive/DATA/0")


@tries("the archive's folder in capitals", UNSAFE)
def folder_in_capitals(folder: Path) -> Path:
    return with_entries(folder, "ARCHIVE/data/0")


@tries("a pickle in capitals beside the archive's", "checkpoint.damaged")
def pickle_in_capitals(folder: Path) -> Path:
    return with_entries(folder, "archive/DATA.PKL")


@tries("a pickle in another folder", "checkpoint.damaged")
def pickle_elsewhere(folder: Path) -> Path:
    return with_entries(folder, "other/Data.Pkl")


@tries("a million opcodes that do nothing", UNSAFE)
def many_opcodes(folder: Path) -> Path:
    return archive(folder, pickle.PROTO + b"\x02" + (pickle.NONE + pickle.POP) * (MAX_OPCODES // 2 + 1) + pickle.NONE + pickle.STOP)


@tries("a tuple within a tuple, ten thousand times, as a key", UNSAFE)
def nested_key(folder: Path) -> Path:
    nested = pickle.EMPTY_TUPLE + pickle.TUPLE1 * 10_000
    return archive(folder, pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + nested + pickle.NONE + pickle.SETITEM + pickle.STOP)


@tries("nested tuples that are named one by one", UNSAFE)
def nested_and_named(folder: Path) -> Path:
    nested = pickle.EMPTY_TUPLE + (pickle.TUPLE1 + pickle.BINPUT + b"\x00") * MAX_NESTING
    return archive(folder, pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + nested + pickle.NONE + pickle.SETITEM + pickle.STOP)


@tries("a file of 256 GB that is a hole", "checkpoint.sparse")
def hole(folder: Path) -> Path:
    path = put(folder, "x.safetensors", b"\x08\0\0\0\0\0\0\0{}      ")
    os.truncate(path, 2**38)
    return path


@tries("a pipe as weights", "checkpoint.no-file")
def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.safetensors")
    return folder / "x.safetensors"


@tries("a folder two hundred levels deep", "checkpoint.too-large")
def deep_folder(folder: Path) -> Path:
    path = folder / "x"
    (path / "/".join(["a"] * 200)).mkdir(parents=True)
    return path


@tries("a pipe within a folder of weights", "checkpoint.no-file")
def pipe_within(folder: Path) -> Path:
    path = folder / "x" / "unet"
    path.mkdir(parents=True)
    os.mkfifo(path / "diffusion_pytorch_model.safetensors")
    return path.parent


@tries("weights of 1e30", IMPLAUSIBLE)
def absurd_weights(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 1e30)})
