from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codes import raises
from generate.small import shard
from unconceal.errors import CheckFailed
from unconceal.generate.identity import ImageKey, Shard
from unconceal.generate.image_cache import ImageCache, ImageGrid, LazyShard
from unconceal.generate.store import Arrays, Store
from unconceal.generate.stored_images import StoredImages

PROMPTS, SEEDS, SIZE = 5, 3, (4, 4, 3)


class StoredGrid:
    """A store with the pictures of five prompts, three seeds each, in shards of four."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.pixels: NDArray[np.uint8] = rng.integers(0, 256, (PROMPTS * SEEDS, *SIZE)).astype(np.uint8)
        self.store, self.fetched = Store(folder), list[Shard]()
        members = [ImageKey(f"prompt {p}", s) for p in range(PROMPTS) for s in range(SEEDS)]
        self.shards = [replace(shard(), images=tuple(members[i : i + 4])) for i in range(0, len(members), 4)]
        for i, item in enumerate(self.shards):
            self.store.put(item, {"original": self.pixels[4 * i : 4 * i + 4], "latents.0000": np.zeros((4, 2), np.float32)})

    def whole(self, item: Shard) -> Arrays:
        self.fetched.append(item)
        result = self.store.get(item)
        assert result is not None
        return result

    def grid(self, limit: int = 10**6) -> ImageGrid:
        cells = tuple(LazyShard(item, lambda item=item: self.whole(item)) for item in self.shards)  # type: ignore[misc]
        return ImageGrid.from_shards(ImageCache(self.store, limit), cells, "original", SEEDS)


@pytest.fixture
def created(tmp_path: Path) -> StoredGrid:
    return StoredGrid(tmp_path)


@pytest.mark.parametrize("limit", [10**6, 200])
def test_it_is_indexed_like_an_array(created: StoredGrid, limit: int) -> None:
    """With room for everything, and for one array at a time."""
    grid, order = created.grid(limit), np.random.default_rng(1).permutation(len(created.pixels))
    assert len(grid) == 15 and grid.prompts == 5
    for places in (slice(None), slice(2, 9), slice(14, 99), slice(3, 3), order, [7], np.array([0, 0, 14])):
        np.testing.assert_array_equal(grid[places], created.pixels[places])
    np.testing.assert_array_equal(np.concatenate(list(grid.batches(4))), created.pixels)
    np.testing.assert_array_equal(grid.to_array(), created.pixels.reshape(PROMPTS, SEEDS, *SIZE))
    np.testing.assert_array_equal(list(grid.by_prompt())[3], created.pixels[9:12])
    np.testing.assert_array_equal(grid.image(4, 1), created.pixels[13])
    some = grid.with_seeds(slice(1, None))
    np.testing.assert_array_equal(some.to_array(), created.pixels.reshape(PROMPTS, SEEDS, *SIZE)[:, 1:])


def test_a_shard_is_verified_once_and_memory_stays_within_its_limit(created: StoredGrid) -> None:
    grid = created.grid(limit=200)
    for _ in range(3):
        list(grid.batches(4))
    assert created.fetched == created.shards
    assert grid.cache._bytes <= 200
    assert all(array.dtype == np.uint8 for array in grid.cache._arrays.values())


def test_a_reader_makes_nothing(created: StoredGrid) -> None:
    reader, first = StoredImages(created.store), created.shards[0]
    np.testing.assert_array_equal(reader.trajectory(first)["original"], created.pixels[:4])
    reader.generate_missing([(item, None) for item in created.shards])
    created.store.path(first).write_bytes(b"nonsense")
    with raises("store.missing-shards"):
        reader.trajectory(first)
    created.store.path(first).unlink()
    with pytest.raises(CheckFailed, match=r"1 of 4 shards are not in .*1 of the original model, 0 of the submission"):
        reader.generate_missing([(item, None) for item in created.shards])
