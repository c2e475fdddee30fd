"""The evaluation images of a record, read from the store: every prompt, unreduced and not blurred."""

from __future__ import annotations

from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.measurements import BlockImages, generate_block
from unconceal.generate.plan import Block
from unconceal.generate.stored_images import StoredImages
from unconceal.hub.dataset_prompts import with_dataset_prompts
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite
from unconceal.specs.record import Record
from unconceal.specs.task import Task


class RecordedImages(NamedTuple):
    """The evaluation block of a record, and its images."""

    block: Block
    images: BlockImages


def recorded_images(root: DataRoot, record: Record, task: Task) -> RecordedImages | None:
    """The images that a record's scores are of; None if any of them is not stored, or the suite has another version by now.

    Args:
        root: with the suite, the submission and the store.
        record: of the full image plan.
        task: of the record.
    """
    environment, suite = record.environment, load_suite(root, record.suite)
    if suite.version != record.suite_version or record.stopping is not None:
        return None
    evaluation = Evaluation(
        suite,
        root,
        record.tier,  # type: ignore[arg-type]  # a record's tier is any name
        device="cpu" if environment.device == "cpu" else "cuda",
        dtype=environment.dtype,
        threads=environment.threads,
        batch_size=environment.batch_size,
        optimizations=environment.optimizations,
    )
    submission = load_submission(root, f"{record.suite}/{record.submission}")
    block, source = evaluation.plan(with_dataset_prompts(task), submission).evaluation, StoredImages(evaluation.store)
    try:
        source.generate_missing(block.pairs)
        return RecordedImages(block, generate_block(source, block))
    except CheckFailed:
        return None
