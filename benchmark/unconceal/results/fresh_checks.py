"""Checks that a fresh re-run measured what its seed draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.evaluation.seed_blocks import seed_blocks
from unconceal.paths import DataRoot
from unconceal.rerun.fresh_specs import fresh_suite, fresh_task
from unconceal.results.record_checks import RecordFlaw
from unconceal.specs.digests import canonical_digest
from unconceal.specs.loader import load_paraphrases
from unconceal.specs.record import Record
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

RUN_AGAIN = "run it again with `unconceal run --fresh`"


class DrawnSpecs(NamedTuple):
    """The suite and the task of a fresh re-run."""

    suite: Suite
    task: Task


def drawn_specs(record: Record, suite: Suite, task: Task, root: DataRoot) -> DrawnSpecs:
    """The specs that a record was measured with: the published ones, or what its seed draws.

    Prompts that come from a dataset are not drawn again, because that needs the dataset.

    Args:
        record: of a row or of a fresh re-run.
        suite: as published; ``task``: likewise.
        root: has the suite's paraphrases.
    """
    if record.fresh is None:
        return DrawnSpecs(suite, task)
    seed = record.fresh.seed
    return DrawnSpecs(fresh_suite(suite, seed), fresh_task(task, load_paraphrases(root, task.suite), seed))


def fresh_flaws(record: Record, drawn: DrawnSpecs, published: Task) -> Iterator[RecordFlaw]:
    """Whether a fresh re-run names and used the prompts, seeds and ψ of its seed; nothing for other records."""
    if record.fresh is None:
        return
    suite, task = drawn
    if record.fresh.suite_digest != canonical_digest(suite.content()):
        yield RecordFlaw("record.other-draw", "fresh.suite_digest", "is not that of the suite that its seed draws", RUN_AGAIN)
    if published.forget_from is None and record.fresh.task_digest != canonical_digest(task.content()):
        yield RecordFlaw("record.other-draw", "fresh.task_digest", "is not that of the task that its seed draws", RUN_AGAIN)
    tier = suite.tier(record.tier)
    if record.seeds != seed_blocks(suite, record.tier, record.protocol):
        yield RecordFlaw("record.other-draw", "seeds", "are not those that its seed draws", RUN_AGAIN)
    grids = {"forget": tier.psi, "retain": tier.retain_psi}
    if any(curve.psi != grids[curve.split] for curve in record.curves):
        yield RecordFlaw("record.other-draw", "curves", "have other ψ than its seed draws", RUN_AGAIN)


def check_draw(record: Record, drawn: DrawnSpecs, published: Task, path: Path) -> None:
    """Check that a fresh re-run is of the prompts, seeds and ψ that its seed draws.

    Raises:
        CheckFailed: the first flaw, with the record's task and path.
    """
    for flaw in fresh_flaws(record, drawn, published):
        raise CheckFailed(flaw.code, f"{path}: {flaw.value} of {record.submission} on {record.task}", flaw.consequence, flaw.remedy)


def keeps_prompts(record: Record) -> bool:
    """Whether a fresh re-run used the task's published prompts, because there is nothing to draw others from."""
    return record.fresh is not None and record.fresh.task_digest == record.checkpoint.task_digest
