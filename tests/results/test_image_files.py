"""Image files beside a record that are none: links, pipes, text, bombs, and images of another run."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from leaderboard.records import data_root, record, strip
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.results.image_files import STRIP, image_digest


def png(width: int, height: int) -> bytes:
    """The header of a large picture, and no picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)


def large(path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (16_000, 16_000)).convert("L").save(buffer, "WEBP", quality=1)
    path.write_bytes(buffer.getvalue())


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


def cut(path: Path) -> None:
    strip(path)
    path.write_bytes(path.read_bytes()[:-40])


HOSTILE: dict[str, Callable[[Path], object]] = {
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "dangling link": lambda path: path.symlink_to("/nowhere"),
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "text": lambda path: path.write_text("<script>alert(1)</script>"),
    "another format": lambda path: path.write_bytes(png(4, 4)),
    "sparse": sparse,
    "cut": cut,
    "many pixels": large,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_image_is_said(tmp_path: Path, kind: str) -> None:
    root = data_root(tmp_path, record())
    HOSTILE[kind](image_path(root))
    codes = [problem.code for problem in check_results(root, recompute=False).problems]
    assert codes in (["image.unreadable"], ["image.too-large"]), codes


def test_another_image_than_the_record_states_is_said(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch.webp"
    strip(scratch)
    stated = record(images={STRIP.name: image_digest(scratch.read_bytes())})
    root = data_root(tmp_path / "root", stated)
    path = image_path(root)
    strip(path)
    assert check_results(root, recompute=False).problems == ()
    strip(path, "red")
    assert [problem.code for problem in check_results(root, recompute=False).problems] == ["image.altered"]
    path.unlink()
    assert check_results(root, recompute=False).problems == ()


def image_path(root: DataRoot) -> Path:
    """The strip beside the record."""
    return record().path(root.results).with_suffix(STRIP.suffix)
