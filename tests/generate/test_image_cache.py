from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from generate.small import shard
from unconceal.errors import CheckFailed
from unconceal.generate.identity import ImageKey, Shard
from unconceal.generate.image_cache import ImageCache, ImageGrid, LazyShard
from unconceal.generate.store import Arrays, Store
from unconceal.generate.stored_images import StoredImages

PROMPTS, SEEDS, SIZE = 5, 3, (4, 4, 3)


class Made:
    """A store with the pictures of five prompts, three seeds each, in shards of four."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.pixels: NDArray[np.uint8] = rng.integers(0, 256, (PROMPTS * SEEDS, *SIZE)).astype(np.uint8)
        self.store, self.fetched = Store(folder), list[Shard]()
        members = [ImageKey(f"prompt {p}", s) for p in range(PROMPTS) for s in range(SEEDS)]
        self.shards = [replace(shard(), images=tuple(members[i : i + 4])) for i in range(0, len(members), 4)]
        for i, one in enumerate(self.shards):
            self.store.put(one, {"original": self.pixels[4 * i : 4 * i + 4], "latents.0000": np.zeros((4, 2), np.float32)})

    def whole(self, one: Shard) -> Arrays:
        self.fetched.append(one)
        found = self.store.get(one)
        assert found is not None
        return found

    def gallery(self, limit: int = 10**6) -> ImageGrid:
        cells = tuple(LazyShard(one, lambda one=one: self.whole(one)) for one in self.shards)  # type: ignore[misc]
        return ImageGrid.from_shards(ImageCache(self.store, limit), cells, "original", SEEDS)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.mark.parametrize("limit", [10**6, 200])
def test_it_is_indexed_like_an_array(made: Made, limit: int) -> None:
    """With room for everything, and for one array at a time."""
    gallery, order = made.gallery(limit), np.random.default_rng(1).permutation(len(made.pixels))
    assert len(gallery) == 15 and gallery.prompts == 5
    for places in (slice(None), slice(2, 9), slice(14, 99), slice(3, 3), order, [7], np.array([0, 0, 14])):
        np.testing.assert_array_equal(gallery[places], made.pixels[places])
    np.testing.assert_array_equal(np.concatenate(list(gallery.batches(4))), made.pixels)
    np.testing.assert_array_equal(gallery.to_array(), made.pixels.reshape(PROMPTS, SEEDS, *SIZE))
    np.testing.assert_array_equal(list(gallery.by_prompt())[3], made.pixels[9:12])
    np.testing.assert_array_equal(gallery.image(4, 1), made.pixels[13])
    some = gallery.with_seeds(slice(1, None))
    np.testing.assert_array_equal(some.to_array(), made.pixels.reshape(PROMPTS, SEEDS, *SIZE)[:, 1:])


def test_a_shard_is_verified_once_and_memory_stays_within_its_limit(made: Made) -> None:
    gallery = made.gallery(limit=200)
    for _ in range(3):
        list(gallery.batches(4))
    assert made.fetched == made.shards
    assert gallery.cache._bytes <= 200
    assert all(array.dtype == np.uint8 for array in gallery.cache._arrays.values())


def test_a_reader_makes_nothing(made: Made) -> None:
    reader, first = StoredImages(made.store), made.shards[0]
    np.testing.assert_array_equal(reader.trajectory(first)["original"], made.pixels[:4])
    reader.generate_missing([(one, None) for one in made.shards])
    made.store.path(first).write_bytes(b"nonsense")
    with pytest.raises(CheckFailed, match="damaged"):
        reader.trajectory(first)
    made.store.path(first).unlink()
    with pytest.raises(CheckFailed, match=r"1 of 4 shards are not in .*1 of the original model, 0 of the submission"):
        reader.generate_missing([(one, None) for one in made.shards])
