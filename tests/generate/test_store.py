from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codes import raises
from generate.disturbances import DISTURBANCES, Disturb, disturbing
from generate.small import shard
from unconceal.generate.store import MODELS, Arrays, Store, content_digest

TESTS = Path(__file__).parents[1]


def arrays(seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    pixels, latents = rng.integers(0, 256, (2, 4, 4, 3)).astype(np.uint8), rng.normal(size=(2, 4, 2, 2)).astype(np.float32)
    return {"original": pixels, "latents.0000": latents}


def equal(item: Arrays | None, other: Arrays) -> bool:
    return (
        item is not None
        and item.keys() == other.keys()
        and all(item[name].dtype == other[name].dtype and np.array_equal(item[name], other[name]) for name in other)
    )


def files(store: Store) -> list[Path]:
    """Shards, and what is left of them."""
    return [path for path in store.root.rglob("*") if path.is_file() and path.parent.name != MODELS]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_is_put_comes_back(store: Store) -> None:
    assert store.get(shard()) is None and shard() not in store
    store.put(shard(), arrays())
    assert equal(store.get(shard()), arrays()) and shard() in store and shard(7) not in store


def test_arrays_need_not_be_contiguous(store: Store) -> None:
    turned = {name: value.swapaxes(0, 1) for name, value in arrays().items()}
    store.put(shard(), turned)
    assert equal(store.get(shard()), turned)


def test_equal_content_gives_equal_bytes(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    store.put(shard(), arrays())
    whole = store.path(shard()).read_bytes()
    for _ in range(8):
        other.put(shard(), dict(reversed(arrays().items())))
        assert other.path(shard()).read_bytes() == whole


def test_a_truncated_file_counts_as_missing(store: Store) -> None:
    store.put(shard(), arrays())
    whole = store.path(shard()).read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        store.path(shard()).write_bytes(whole[:length])
        assert store.get(shard()) is None, length


def test_any_flipped_byte_counts_as_missing(store: Store) -> None:
    store.put(shard(), arrays())
    whole = bytearray(store.path(shard()).read_bytes())
    for index in range(len(whole)):
        mask = (0x01, 0x04, 0x80)[index % 3]
        whole[index] ^= mask
        store.path(shard()).write_bytes(whole)
        whole[index] ^= mask
        assert store.get(shard()) is None, index


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_a_file_that_is_damaged_while_it_is_read_counts_as_missing(store: Store, monkeypatch: pytest.MonkeyPatch, disturb: Disturb) -> None:
    store.put(shard(), arrays())
    hit = disturbing(monkeypatch, disturb)
    assert store.get(shard()) is None and hit == [store.path(shard())]


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_an_array_of_a_file_that_was_written_to_since_is_not_read(store: Store, disturb: Disturb) -> None:
    store.put(shard(), arrays())
    assert store.read(shard(), "original") is None, "nobody has verified it"
    assert store.get(shard()) is not None
    np.testing.assert_array_equal(store.read(shard(), "original"), arrays()["original"])
    disturb(store.path(shard()))
    assert store.read(shard(), "original") is None


def test_a_damaged_file_is_replaced(store: Store) -> None:
    store.put(shard(), arrays())
    store.path(shard()).write_bytes(b"nonsense")
    store.put(shard(), arrays())
    assert equal(store.get(shard()), arrays())


def test_a_file_under_anothers_name_counts_as_missing(store: Store) -> None:
    store.put(shard(), arrays())
    store.path(shard(7)).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(store.path(shard()), store.path(shard(7)))
    assert store.get(shard(7)) is None


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_one_line(store: Store, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    store.put(shard(7), arrays(7))
    with monkeypatch.context() as patched:
        patched.setattr(os, call, raising(OSError(number, os.strerror(number))))
        with raises("environment.disk-full") as failed:
            store.put(shard(), arrays())
    assert failed.value.exit_code == 3 and "\n" not in str(failed.value)
    assert files(store) == [store.path(shard(7))] and store.get(shard()) is None
    store.put(shard(), arrays())
    assert equal(store.get(shard()), arrays())


def test_a_store_that_cannot_be_written_names_the_option(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", raising(PermissionError(errno.EACCES, "Permission denied")))
    with raises("store.not-writable"):
        store.put(shard(), arrays())
    assert files(store) == []


def test_a_store_below_a_file_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    assert store.get(shard()) is None
    with raises("store.not-writable"):
        store.put(shard(), arrays())


def test_an_interrupted_write_leaves_the_old_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(shard(), arrays())
    monkeypatch.setattr(os, "fsync", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        store.put(shard(), arrays(1))
    assert files(store) == [store.path(shard())] and equal(store.get(shard()), arrays())


WRITER = """
import sys
from pathlib import Path
from generate.disturbances import DISTURBANCES, Disturb, disturbing
from generate.small import shard
from generate.test_store import arrays
from unconceal.generate.store import Store
for _ in range(10):
    Store(Path(sys.argv[1])).put(shard(), arrays())
"""


def test_two_processes_put_one_shard(store: Store) -> None:
    """A reader beside them sees nothing or the whole."""
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent / "benchmark")))
    command = [sys.executable, "-c", WRITER, str(store.root)]
    writers = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        result = store.get(shard())
        assert (result is None and shard() not in store) or equal(store.get(shard()), arrays())
    assert [writer.returncode for writer in writers] == [0, 0] and files(store) == [store.path(shard())]


def test_the_digest_of_content_sees_names_types_shapes_and_values() -> None:
    base = {"a": np.zeros((2, 3), np.float32)}
    others: list[Arrays] = [
        {"b": base["a"]},
        {"a": base["a"].astype(np.int32)},
        {"a": base["a"].reshape(3, 2)},
        {"a": base["a"] + 1},
        {**base, "b": np.zeros(0, np.uint8)},
    ]
    assert len({content_digest(result) for result in (base, *others)}) == 6
    assert content_digest(base) == content_digest({"a": np.zeros((3, 2), np.float32).T.reshape(2, 3)})
