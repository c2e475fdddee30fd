"""What another precision does to every score: the same evaluation in float32 and in bfloat16."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from unconceal.evaluation.run import run
from unconceal.specs.record import Record
from unconceal.specs.score import Score
from unconceal_lab.bench.bench_sample import Sample
from unconceal_lab.bench.measured_process import apart


class Moved(BaseModel):
    """One score of one submission in both precisions; ``within``: the second lies in the first's interval."""

    submission: str
    name: str
    before: float
    after: float
    within: bool | None


class Precision(BaseModel):
    """All of them, and the verdicts of both."""

    sample: str
    dtype: str
    verdicts: dict[str, tuple[str, str]]
    moved: list[Moved]


def precision(sample: Sample, dtype: str = "bfloat16") -> Precision:
    """Each precision in a process, store and results of its own."""
    one, other = (apart(records, replace(sample, dtype=name)).found for name in ("float32", dtype))
    pairs = list(zip(one, other, strict=True))
    verdicts = {before.submission: (before.verdict.label, after.verdict.label) for before, after in pairs}
    moved = [found for before, after in pairs for found in compared(before, after)]
    return Precision(sample=sample.said, dtype=dtype, verdicts=verdicts, moved=moved)


def records(sample: Sample) -> list[Record]:
    """From nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return run(sample.evaluation(Path(folder)), sample.pairs())


def compared(before: Record, after: Record) -> Iterator[Moved]:
    """Every score that both have."""
    for name, score in sorted(before.scores.items()):
        other = after.scores[name].value if name in after.scores else None
        if score.value is not None and other is not None:
            yield Moved(submission=before.submission, name=name, before=score.value, after=other, within=_within(score, other))


def _within(score: Score, value: float) -> bool | None:
    return None if score.low is None or score.high is None else score.low <= value <= score.high
