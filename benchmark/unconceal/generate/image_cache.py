"""Pictures that are read from the store when they are looked at, so that memory does not grow with their number."""

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
Rows = NDArray[np.int64]
KEPT = 128 * 2**20
"""Bytes of pictures that a shelf keeps in memory."""
BLOCK = 64
"""Pictures that judges look at together."""


class LazyShard(NamedTuple):
    """A shard, and how to come by all that it holds, sound: from the store, or made."""

    shard: Shard
    whole: Callable[[], Arrays]


@dataclass
class ImageCache:
    """The pictures that were read lately. What was found sound once is read again without the rest of its shard."""

    store: Store
    limit: int = KEPT
    _kept: OrderedDict[tuple[Shard, str], Pixels] = field(default_factory=OrderedDict)
    _sound: set[Shard] = field(default_factory=set)
    _bytes: int = 0

    def array(self, cell: LazyShard, name: str) -> Pixels:
        """One array of a shard, (n, h, w, 3)."""
        key = (cell.shard, name)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        alone = self.store.read(cell.shard, name) if cell.shard in self._sound else None
        if alone is None:
            return self.fetch(cell)[name]
        self._keep(key, alone)
        return alone

    def fetch(self, cell: LazyShard) -> Arrays:
        """All of a shard, whose pictures are kept as long as there is room."""
        arrays = cell.whole()
        self._sound.add(cell.shard)
        for name, array in arrays.items():
            if array.dtype == np.uint8:
                self._keep((cell.shard, name), array)
        return arrays

    def _keep(self, key: tuple[Shard, str], array: Pixels) -> None:
        before = self._kept.pop(key, None)
        self._kept[key] = array
        self._bytes += array.nbytes - (0 if before is None else before.nbytes)
        while self._bytes > self.limit and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """The pictures (prompts × seeds) of one branch of a block, prompt by prompt.

    It is indexed by number of picture as an array uint8 (n, h, w, 3) would be, with a slice or with an array of numbers.
    """

    shelf: ImageCache
    cells: tuple[LazyShard, ...]
    name: str
    seeds: int
    rows: Rows
    """Which pictures of the cells' these are."""

    @classmethod
    def of(cls, shelf: ImageCache, cells: tuple[LazyShard, ...], name: str, seeds: int) -> ImageGrid:
        """All pictures of the cells."""
        return cls(shelf, cells, name, seeds, np.arange(sum(len(cell.shard.pictures) for cell in cells)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def prompts(self) -> int:
        return len(self) // self.seeds

    def __getitem__(self, places: Any) -> Pixels:
        """Pictures (n, h, w, 3) by their numbers."""
        wanted = self.rows[places]
        if not len(wanted):
            return np.zeros((0, *self.shelf.array(self.cells[0], self.name).shape[1:]), np.uint8)
        where = np.searchsorted(self._ends, wanted, side="right")
        found: Pixels | None = None
        for cell in np.unique(where):
            array, mine = self.shelf.array(self.cells[cell], self.name), np.flatnonzero(where == cell)
            if found is None:
                found = np.empty((len(wanted), *array.shape[1:]), np.uint8)
            found[mine] = array[wanted[mine] - (self._ends[cell - 1] if cell else 0)]
        assert found is not None
        return found

    @cached_property
    def _ends(self) -> Rows:
        return np.cumsum([len(cell.shard.pictures) for cell in self.cells])

    def blocks(self, size: int = BLOCK) -> Iterator[Pixels]:
        """All pictures, so many at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def by_prompt(self) -> Iterator[Pixels]:
        """The pictures (seeds, h, w, 3) of each prompt."""
        return self.blocks(self.seeds)

    def at(self, prompt: int, seed: int = 0) -> Pixels:
        """One picture (h, w, 3)."""
        picture: Pixels = self[[prompt * self.seeds + seed]][0]
        return picture

    def with_seeds(self, seeds: slice) -> ImageGrid:
        """The same prompts with some of the seeds."""
        rows = self.rows.reshape(-1, self.seeds)[:, seeds]
        return replace(self, rows=rows.ravel(), seeds=rows.shape[1])

    def grid(self) -> Pixels:
        """All of them in memory at once, (prompts, seeds, h, w, 3)."""
        pixels = self[:]
        return pixels.reshape(self.prompts, self.seeds, *pixels.shape[1:])
