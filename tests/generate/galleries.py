"""Galleries of pictures that lie in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generate.small import shard
from unconceal.generate.identity import ImageKey
from unconceal.generate.image_cache import ImageCache, ImageGrid, LazyShard
from unconceal.generate.store import Store


def gallery_of(pixels: NDArray[np.uint8]) -> ImageGrid:
    """Pictures (prompts, seeds, h, w, 3)."""
    prompts, seeds = pixels.shape[:2]
    members = tuple(ImageKey(f"prompt {p}", s) for p in range(prompts) for s in range(seeds))
    arrays = {"pictures": pixels.reshape(-1, *pixels.shape[2:])}
    cell = LazyShard(replace(shard(), images=members), lambda: arrays)
    return ImageGrid.from_shards(ImageCache(Store(Path("nowhere"))), (cell,), "pictures", seeds)
