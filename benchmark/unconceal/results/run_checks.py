"""What a record says of its run, against what its suite plans: when it was, with which seeds, and how many prompts were cut."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from unconceal.evaluation.seed_blocks import seed_blocks
from unconceal.results.record_checks import RecordFlaw
from unconceal.specs.record import Record
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

DATE = "%Y-%m-%dT%H:%M:%SZ"
CLOCK_ERROR = timedelta(days=1)
"""How far ahead of ours another machine's clock may be."""


def run_flaws(record: Record, suite: Suite, task: Task) -> Iterator[RecordFlaw]:
    """A date that is none, other seeds than the suite's, and more cut prompts than there are.

    Args:
        record: of the suite's version.
        suite: that it was measured with; of a fresh re-run, as drawn.
        task: likewise.
    """
    if (reason := _date_flaw(record.date)) is not None:
        yield RecordFlaw("record.bad-date", f"date {record.date!r}", reason)
    planned, stated = seed_blocks(suite, record.tier, record.protocol), record.seeds or {}
    # Of a fresh re-run, the check of its draw tells.
    if record.fresh is None and stated != planned:
        blocks = ", ".join(sorted(name for name in planned.keys() | stated.keys() if stated.get(name) != planned.get(name)))
        yield RecordFlaw("record.other-seeds", f"seeds ({blocks})", "are not those of the suite's tier, so its images are others")
    counts = suite.paper_protocol if record.protocol == "paper" else suite.tier(record.tier)
    n_prompts = len(task.forget[: counts.n_prompts]) + len(task.retain[: counts.n_retain_prompts])
    for reader, n_truncated in record.truncated_prompts.items():
        if record.probe_results is None and n_truncated > n_prompts:
            yield RecordFlaw("record.bad-count", f"truncated_prompts.{reader} {n_truncated}", f"is more than its {n_prompts} prompts")


def _date_flaw(date: str | None) -> str | None:
    """Why a date is none; None if it is one."""
    if date is None:
        return "is missing, so it is unknown when it was measured"
    try:
        moment = datetime.strptime(date, DATE).replace(tzinfo=UTC)
    except ValueError:
        return "is no date and time in UTC, ISO 8601"
    return "lies in the future" if moment > datetime.now(UTC) + CLOCK_ERROR else None
