"""Images to rate from the store: every prompt of a record instead of a strip's few, unreduced and not blurred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from unconceal.evaluation.recorded_images import recorded_images
from unconceal.paths import DataRoot
from unconceal.ratings.item_images import Tile, rated_image
from unconceal.results.result_tables import ResultRow
from unconceal.specs.suite import DECIDING_ARMS
from unconceal.specs.task import Task


@dataclass(frozen=True)
class StoreSource:
    """Reads the evaluation images of records whose images are all stored; other records yield none."""

    root: DataRoot

    def __call__(self, row: ResultRow, task: Task) -> Iterator[Tile]:
        recorded = recorded_images(self.root, row.record, task)
        if recorded is None:
            return
        block, images = recorded
        seeds = [key.seed for shard in block.handovers for key in shard.images]
        for prompt in range(len(block.prompts)):
            for arm in DECIDING_ARMS:
                for psi, grid in images.branches.get(arm, {}).items():
                    pixels = Image.fromarray(grid.image(prompt))
                    yield rated_image(row.record, prompt, seeds[prompt * block.seeds], arm, psi, pixels), pixels
