"""Files: what is opened, and where is written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codes import raises
from unconceal.files import TEMPORARY, is_below, path_below, read_regular_file, remove_stale_temporaries, write_atomically, write_below

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


def test_files_and_folders_have_the_permissions_that_the_user_wants(tmp_path: Path) -> None:
    script = (
        "import os, sys; os.umask(int(sys.argv[2], 8)); from pathlib import Path; from unconceal.files import write_below, write_atomically"
    )
    script += "; p = Path(sys.argv[1]); write_below(p, 'a/b', ''); write_atomically(p / 'a' / 'c', b'')"
    for umask in (0o077, 0o022, 0o002):
        folder = tmp_path / f"{umask:o}"
        folder.mkdir()
        subprocess.run([sys.executable, "-c", script, str(folder), f"{umask:o}"], check=True)
        modes = {(folder / name).stat().st_mode & 0o777 for name in ("a/b", "a/c")}
        assert modes == {0o666 & ~umask} and (folder / "a").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What survives a power cut: the file is flushed, renamed, and then its folder flushed, in this order."""
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def noted_replace(source: str, target: Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "a", b"x")
    assert events == ["file", "rename", "folder"]


def test_only_old_temporaries_are_removed(tmp_path: Path) -> None:
    names = (f"{TEMPORARY}old", f"{TEMPORARY}young", "old", "young")
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        if "old" in name:
            os.utime(tmp_path / name, (0, 0))
    assert remove_stale_temporaries((tmp_path, tmp_path / "absent")) == 1
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])
