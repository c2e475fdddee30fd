"""Images that are read from the store when they are needed, so that memory does not grow with their number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unconceal.generate.identity import Shard
from unconceal.generate.store import Arrays, Store

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]
CACHE_BYTES = 128 * 2**20
"""Bytes of images that a cache holds by default."""
BATCH_IMAGES = 64
"""Images that judges process together."""


class LazyShard(NamedTuple):
    """A shard and a function that reads or generates its arrays."""

    shard: Shard
    load: Callable[[], Arrays]


@dataclass
class ImageCache:
    """Recently read images. A shard that the store verified once is read again array by array."""

    store: Store
    limit: int = CACHE_BYTES
    _arrays: OrderedDict[tuple[Shard, str], Pixels] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def read(self, source: LazyShard, name: str) -> Pixels:
        """One array of a shard, uint8 (n, h, w, 3)."""
        key = (source.shard, name)
        if key in self._arrays:
            self._arrays.move_to_end(key)
            return self._arrays[key]
        array = self.store.read(source.shard, name)
        if array is None:
            return self.fetch(source)[name]
        self._add(key, array)
        return array

    def fetch(self, source: LazyShard) -> Arrays:
        """All arrays of a shard; its images stay in the cache while there is room."""
        arrays = source.load()
        for name, array in arrays.items():
            if array.dtype == np.uint8:
                self._add((source.shard, name), array)
        return arrays

    def _add(self, key: tuple[Shard, str], array: Pixels) -> None:
        previous = self._arrays.pop(key, None)
        self._arrays[key] = array
        self._bytes += array.nbytes - (0 if previous is None else previous.nbytes)
        while self._bytes > self.limit and len(self._arrays) > 1:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """The images (prompts × seeds) of one branch of a block, prompt by prompt.

    Indexing with a slice or an integer array works as on an array uint8 (n, h, w, 3).
    """

    cache: ImageCache
    shards: tuple[LazyShard, ...]
    name: str
    seeds: int
    indices: Indices
    """Positions of these images among all images of the shards."""

    @classmethod
    def from_shards(cls, cache: ImageCache, shards: tuple[LazyShard, ...], name: str, seeds: int) -> ImageGrid:
        """All images of the shards."""
        return cls(cache, shards, name, seeds, np.arange(sum(len(source.shard.images) for source in shards)))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def prompts(self) -> int:
        return len(self) // self.seeds

    def __getitem__(self, key: Any) -> Pixels:
        """Images (n, h, w, 3)."""
        indices = self.indices[key]
        if not len(indices):
            return np.zeros((0, *self.cache.read(self.shards[0], self.name).shape[1:]), np.uint8)
        shard_numbers = np.searchsorted(self._ends, indices, side="right")
        images: Pixels | None = None
        for number in np.unique(shard_numbers):
            array, rows = self.cache.read(self.shards[number], self.name), np.flatnonzero(shard_numbers == number)
            if images is None:
                images = np.empty((len(indices), *array.shape[1:]), np.uint8)
            images[rows] = array[indices[rows] - (self._ends[number - 1] if number else 0)]
        assert images is not None
        return images

    @cached_property
    def _ends(self) -> Indices:
        return np.cumsum([len(source.shard.images) for source in self.shards])

    def batches(self, size: int = BATCH_IMAGES) -> Iterator[Pixels]:
        """All images in batches (at most ``size``, h, w, 3)."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def by_prompt(self) -> Iterator[Pixels]:
        """The images (seeds, h, w, 3) of each prompt."""
        return self.batches(self.seeds)

    def image(self, prompt: int, seed: int = 0) -> Pixels:
        """One image (h, w, 3)."""
        pixels: Pixels = self[[prompt * self.seeds + seed]][0]
        return pixels

    def with_seeds(self, seeds: slice) -> ImageGrid:
        """The same prompts with a subset of the seeds."""
        indices = self.indices.reshape(-1, self.seeds)[:, seeds]
        return replace(self, indices=indices.ravel(), seeds=indices.shape[1])

    def to_array(self) -> Pixels:
        """All images in memory, (prompts, seeds, h, w, 3)."""
        pixels = self[:]
        return pixels.reshape(self.prompts, self.seeds, *pixels.shape[1:])
