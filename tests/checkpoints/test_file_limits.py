"""What a checkpoint may be on the disk is looked at before a byte of it is hashed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from codes import raises
from unconceal.checkpoints import file_limits
from unconceal.checkpoints.file_limits import check_files, reading_limits
from unconceal.checkpoints.rehearsal import rehearse


def sparse(path: Path) -> Path:
    path.touch()
    os.truncate(path, 2**38)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def deep(path: Path) -> Path:
    (path / "/".join(["a"] * 40)).mkdir(parents=True)
    return path


def many(path: Path) -> Path:
    path.mkdir()
    for number in range(file_limits.MAX_ENTRIES + 2):
        (path / str(number)).touch()
    return path


def within(path: Path) -> Path:
    path.mkdir()
    os.mkfifo(path / "model.safetensors")
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (sparse, "checkpoint.sparse"),
        (pipe, "checkpoint.no-file"),
        (deep, "checkpoint.too-large"),
        (many, "checkpoint.too-large"),
        (within, "checkpoint.no-file"),
        (lambda path: Path("/dev/zero"), "checkpoint.no-file"),
    ],
)
def test_it_is_refused_at_once(tmp_path: Path, make: Callable[[Path], Path], code: str) -> None:
    path = make(tmp_path / "a.pt")
    started = time.monotonic()
    for check in (check_files, rehearse):
        with raises(code):
            check(path)
    assert time.monotonic() - started < 4


def test_links_that_lead_round_and_round_are_passed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "a.pt").write_bytes(b"abc")
    assert check_files(tmp_path) == 3


def test_good_files_are_read_in_a_child_and_bad_ones_are_one_error(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(4)}, tmp_path / "good.pt")
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    rehearse(tmp_path / "good.pt")
    with raises("checkpoint.damaged"):
        rehearse(tmp_path / "bad.pt")
    assert reading_limits(tmp_path / "good.pt", 10**9).memory > 2 * 10**9
