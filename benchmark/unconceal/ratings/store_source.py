"""Images to rate from the store: every prompt of a record instead of a strip's few, unreduced and not blurred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from unconceal.errors import CheckFailed
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.measurements import generate_block
from unconceal.generate.stored_images import StoredImages
from unconceal.hub.dataset_prompts import with_dataset_prompts
from unconceal.paths import DataRoot
from unconceal.ratings.item_images import Tile, rated_image
from unconceal.results.result_tables import ResultRow
from unconceal.specs.loader import load_submission, load_suite
from unconceal.specs.suite import DECIDING_ARMS
from unconceal.specs.task import Task


@dataclass(frozen=True)
class StoreSource:
    """Reads the evaluation images of records whose images are all stored; other records yield none."""

    root: DataRoot

    def __call__(self, row: ResultRow, task: Task) -> Iterator[Tile]:
        record, environment = row.record, row.record.environment
        suite = load_suite(self.root, record.suite)
        if suite.version != record.suite_version:
            return
        evaluation = Evaluation(
            suite,
            self.root,
            record.tier,  # type: ignore[arg-type]  # a record's tier is any name
            device="cpu" if environment.device == "cpu" else "cuda",
            dtype=environment.dtype,
            threads=environment.threads,
            batch_size=environment.batch_size,
            optimizations=environment.optimizations,
        )
        submission = load_submission(self.root, f"{record.suite}/{record.submission}")
        block, source = evaluation.plan(with_dataset_prompts(task), submission).evaluation, StoredImages(evaluation.store)
        try:
            source.generate_missing(block.pairs)
            images = generate_block(source, block)
        except CheckFailed:
            return
        seeds = [key.seed for shard in block.handovers for key in shard.images]
        for prompt in range(len(block.prompts)):
            for arm in DECIDING_ARMS:
                for psi, grid in images.branches.get(arm, {}).items():
                    pixels = Image.fromarray(grid.image(prompt))
                    yield rated_image(record, prompt, seeds[prompt * block.seeds], arm, psi, pixels), pixels
