"""Whether a re-run agrees with a stored record, and the record that results.

A re-run agrees if the verdict is equal and every headline score is within the stored interval (METRICS, section "Uncertainty").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.record_checks import record_flaws
from unconceal.specs.record import Record, Score, Verification
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

HEADLINE = ("excess", "excess.prompt", "excess.empty", "presence", "retain_drop")
SAME_FIELDS = ("suite", "suite_version", "task", "submission", "protocol", "tier", "judges")
SAME_CHECKPOINT_FIELDS = ("suite_digest", "task_digest", "sha256")
NO_SCORE = Score(value=None, n=0)


class RerunComparison(NamedTuple):
    """One headline score, stored and re-run."""

    score: str
    stored: Score
    rerun: Score

    @property
    def agrees(self) -> bool:
        """Whether the re-run's value is within the stored interval, or both are undefined."""
        if self.stored.value is None or self.rerun.value is None:
            return self.stored.value is self.rerun.value
        low = -inf if self.stored.low is None else self.stored.low
        high = inf if self.stored.high is None else self.stored.high
        return low <= self.rerun.value <= high


def rerun_record(rerun: Record, golds: Sequence[Record], suite: Suite, task: Task, by: str, date: str) -> Record:
    """The re-run's record with scores computed against the stored golds, as for the stored record.

    Args:
        rerun: the record as the re-run wrote it.
        golds: the stored golds.
        suite: the suite.
        task: the task.
        by: who ran it.
        date: ISO 8601.

    Raises:
        CheckFailed: it does not count as a re-run: uncommitted code, an unknown commit, or weights without a digest.
    """
    verification = Verification(status="rerun", by=by, date=date, reason="measured again")
    record = compute_verdict(rerun, golds, suite, task).model_copy(update={"verification": verification}).sealed()
    for flaw in record_flaws(record):
        raise CheckFailed(flaw.code, f"the re-run of {rerun.submission} on {rerun.task}: {flaw.value}", flaw.consequence, flaw.remedy)
    return record


def compare_scores(stored: Record, rerun: Record) -> tuple[RerunComparison, ...]:
    """The headline scores of both records.

    Raises:
        CheckFailed: the records differ in what was measured.
    """
    if differences := list(_different_fields(stored, rerun)):
        value, consequence = f"the re-run of {stored.submission} on {stored.task}", f"differs in {', '.join(differences)}"
        raise CheckFailed("rerun.not-comparable", value, f"{consequence}, so it says nothing about the row", "re-run what is stored")
    names = [name for name in HEADLINE if name in stored.scores or name in rerun.scores]
    return tuple(RerunComparison(name, stored.scores.get(name, NO_SCORE), rerun.scores.get(name, NO_SCORE)) for name in names)


def disagreement(stored: Record, rerun: Record) -> str:
    """Why the re-run does not agree; empty if it does."""
    if stored.verdict.label != rerun.verdict.label:
        return f"a re-run says {rerun.verdict.label}, not {stored.verdict.label}"
    texts = [
        f"{comparison.score} {_text(comparison.rerun.value)} outside [{_text(comparison.stored.low)}, {_text(comparison.stored.high)}]"
        for comparison in compare_scores(stored, rerun)
        if not comparison.agrees
    ]
    return f"a re-run gives {', '.join(texts)}" if texts else ""


def with_verification(stored: Record, rerun: Record, by: str, date: str) -> Record:
    """The record that is kept: the re-run's if it agrees, else the stored one as `disputed`."""
    reason = disagreement(stored, rerun)
    if reason:
        return stored.model_copy(update={"verification": Verification(status="disputed", by=by, date=date, reason=reason)}).sealed()
    reason = f"agrees with the {stored.verification.status.replace('_', '-')} record {stored.digest[:12]}"
    return rerun.model_copy(update={"verification": Verification(status="rerun", by=by, date=date, reason=reason)}).sealed()


def _different_fields(stored: Record, rerun: Record) -> Iterator[str]:
    yield from (name for name in SAME_FIELDS if getattr(stored, name) != getattr(rerun, name))
    yield from (name for name in SAME_CHECKPOINT_FIELDS if getattr(stored.checkpoint, name) != getattr(rerun.checkpoint, name))


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
