"""Files: what is opened, and where is written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from codes import raises
from unconceal.files import is_below, path_below, read_regular_file, write_below

LIMIT = 1000


def test_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * LIMIT)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_regular_file(tmp_path / "a", LIMIT) == read_regular_file(tmp_path / "link", LIMIT) == b"x" * LIMIT


def test_nothing_else_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "large").write_bytes(b"x" * (LIMIT + 1))
    (tmp_path / "link").symlink_to(tmp_path / "large")
    os.truncate(tmp_path / "large", 2**40)
    started = time.monotonic()
    for name in ("pipe", "loop", "large", "link", "missing", ".", "nul\0", "n" * 300, "/dev/zero", "/dev/tty"):
        with pytest.raises(OSError):
            read_regular_file(tmp_path / name, LIMIT)
    assert time.monotonic() - started < 1


def test_links_are_not_followed_where_they_need_not_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(OSError):
        read_regular_file(tmp_path / "link", LIMIT, follow_links=False)


def test_nothing_is_written_outside_its_folder(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    assert write_below(out, "a/b.html", "text").read_text() == "text"
    (out / "link").symlink_to(other)
    (out / "file.html").symlink_to(other / "file.html")
    for relative in ("../other/x", "a/../../other/x", str(other / "x"), "link/x", "file.html", "nul\0"):
        with raises("path.outside-folder"):
            write_below(out, relative, "text")
    assert list(other.iterdir()) == []


def test_a_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert path_below(tmp_path / "link", "a").parent == tmp_path / "link"
    assert is_below(tmp_path / "link" / "a", tmp_path / "real")
