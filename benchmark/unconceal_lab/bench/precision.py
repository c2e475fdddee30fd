"""Every score of the same evaluation in float32 and in another precision."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from unconceal.execution.scheduler import schedule
from unconceal.specs.record import Record
from unconceal.specs.score import Score
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.measured_process import run_in_process


class ScoreChange(BaseModel):
    """One score of one submission in both precisions.

    Attributes:
        before, after: Value in float32 and in the other precision.
        in_interval: Whether ``after`` lies in the interval of ``before``; None without an interval.
    """

    submission: str
    name: str
    before: float
    after: float
    in_interval: bool | None


class PrecisionComparison(BaseModel):
    """Score changes and the verdicts of each submission in both precisions."""

    sample: str
    dtype: str
    verdicts: dict[str, tuple[str, str]]
    changes: list[ScoreChange]


def compare_precision(sample: BenchSample, dtype: str = "bfloat16") -> PrecisionComparison:
    """Evaluate in float32 and in ``dtype``, each in a process, store and results folder of its own."""
    records_before, records_after = (run_in_process(evaluate, replace(sample, dtype=name)).value for name in ("float32", dtype))
    pairs = list(zip(records_before, records_after, strict=True))
    verdicts = {before.submission: (before.verdict.label, after.verdict.label) for before, after in pairs}
    changes = [change for before, after in pairs for change in score_changes(before, after)]
    return PrecisionComparison(sample=sample.description, dtype=dtype, verdicts=verdicts, changes=changes)


def evaluate(sample: BenchSample) -> list[Record]:
    """Evaluate the sample from an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        return schedule(sample.evaluation(Path(folder)), sample.pairs())


def score_changes(before: Record, after: Record) -> Iterator[ScoreChange]:
    """Yield every score that is defined in both records."""
    for name, score in sorted(before.scores.items()):
        value = after.scores[name].value if name in after.scores else None
        if score.value is not None and value is not None:
            in_interval = _in_interval(score, value)
            yield ScoreChange(submission=before.submission, name=name, before=score.value, after=value, in_interval=in_interval)


def _in_interval(score: Score, value: float) -> bool | None:
    return None if score.low is None or score.high is None else score.low <= value <= score.high
