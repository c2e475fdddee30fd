"""Files, records and shards after a power cut at any moment: the old content or the new, and the new once the call has returned."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from generate.small import shard
from generate.test_store import arrays, equal
from leaderboard.records import record
from power_cut import Disk
from unconceal.files import TEMPORARY, write_atomically
from unconceal.generate.store import Store
from unconceal.specs.record import read_record, write_record


def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object], before: Callable[[Path], object]) -> list[Path]:
    """Every folder that a power cut during ``write`` may leave; the last two, after it has returned."""
    root = tmp_path / "root"
    root.mkdir()
    before(root)
    disk = Disk(root)
    with monkeypatch.context() as patched:
        disk.watch(patched)
        write(root)
    (tmp_path / "left").mkdir()
    return list(disk.remains(tmp_path / "left"))


@pytest.mark.parametrize("name", ["a", "new/folder/a"])
def test_a_file_has_its_old_content_or_its_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    left = cut(
        tmp_path, monkeypatch, lambda root: write_atomically(root / name, b"new" * 9000), lambda root: (root / "a").write_bytes(b"old")
    )
    found = [(folder / name).read_bytes() if (folder / name).exists() else None for folder in left]
    before = b"old" if name == "a" else None
    assert set(found) == {before, b"new" * 9000}
    assert found[0] == before and found[-2:] == [b"new" * 9000] * 2
    assert all(path.name.startswith(TEMPORARY) for folder in left for path in folder.iterdir() if path.name not in ("a", "new"))


def test_a_record_can_always_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = record(excess=0.4), record(excess=0.1)
    left = cut(tmp_path, monkeypatch, lambda root: write_record(new, new.path(root)), lambda root: write_record(old, old.path(root)))
    digests = [read_record(new.path(folder)).digest for folder in left]
    assert set(digests) == {old.digest, new.digest} and digests[-2:] == [new.digest] * 2


def test_a_shard_is_whole_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, content = shard(), arrays()
    left = cut(tmp_path, monkeypatch, lambda root: Store(root / "store").put(key, content), lambda root: None)
    stored = [Store(folder / "store").get(key) for folder in left]
    assert stored[0] is None and all(item is None or equal(item, content) for item in stored)
    assert all(equal(item, content) for item in stored[-2:])
    # Whoever finds the shard finds its model among those of the store.
    for folder, item in zip(left, stored, strict=True):
        assert item is None or key.model in (Store(folder / "store").registered_models() or ())


def test_without_flushing_files_would_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of this test is one that loses what was not flushed."""
    root = tmp_path / "root"
    root.mkdir()
    disk = Disk(root)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda handle: None)
        disk.watch(patched)
        monkeypatch.setattr(disk, "_flush", lambda handle: None)
        write_atomically(root / "a", b"new")
    (tmp_path / "left").mkdir()
    found = [(folder / "a").read_bytes() if (folder / "a").exists() else None for folder in disk.remains(tmp_path / "left")]
    assert set(found) == {None, b""}
