"""Whether a re-run agrees with a stored record, and what becomes of the row.

A re-run agrees when the verdict is equal and every headline score lies in the stored interval (METRICS, section "Uncertainty").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.record_checks import flaws
from unconceal.specs.record import Record, Score, Verification
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

HEADLINE = ("excess", "excess.prompt", "excess.empty", "presence", "retain_drop")
SAME = ("suite", "suite_version", "task", "submission", "protocol", "tier", "judges")
NOTHING = Score(value=None, n=0)


class RerunComparison(NamedTuple):
    """One headline score, stored and measured again."""

    score: str
    stored: Score
    again: Score

    @property
    def agrees(self) -> bool:
        """Whether the new value lies in the stored interval, or both are undefined."""
        if self.stored.value is None or self.again.value is None:
            return self.stored.value is self.again.value
        low = -float("inf") if self.stored.low is None else self.stored.low
        high = float("inf") if self.stored.high is None else self.stored.high
        return low <= self.again.value <= high


def read_again(rerun: Record, golds: Sequence[Record], suite: Suite, task: Task, by: str, date: str) -> Record:
    """The re-run read against the golds that are stored, so that both rows have the same yardstick; not judged yet.

    Raises:
        CheckFailed: it may not count as a re-run: a dirty tree, no known commit, or weights without a digest.
    """
    said = Verification(status="rerun", by=by, date=date, reason="measured again")
    settled = compute_verdict(rerun, golds, suite, task).model_copy(update={"verification": said}).sealed()
    for flaw in flaws(settled):
        raise CheckFailed(flaw.code, f"the re-run of {rerun.submission} on {rerun.task}: {flaw.value}", flaw.consequence, flaw.remedy)
    return settled


def compare(stored: Record, again: Record) -> tuple[RerunComparison, ...]:
    """Headline scores side by side.

    Raises:
        CheckFailed: the two did not measure the same.
    """
    if other := list(_differences(stored, again)):
        value = f"the re-run of {stored.submission} on {stored.task}"
        raise CheckFailed(
            "rerun.not-comparable", value, f"is of another {', '.join(other)}, so it says nothing about the row", "re-run what is stored"
        )
    names = [name for name in HEADLINE if name in stored.scores or name in again.scores]
    return tuple(RerunComparison(name, stored.scores.get(name, NOTHING), again.scores.get(name, NOTHING)) for name in names)


def _differences(stored: Record, again: Record) -> Iterator[str]:
    yield from (name for name in SAME if getattr(stored, name) != getattr(again, name))
    mine, theirs = stored.checkpoint, again.checkpoint
    yield from (name for name in ("suite_digest", "task_digest", "sha256") if getattr(mine, name) != getattr(theirs, name))


def objection(stored: Record, again: Record) -> str:
    """Why the two do not agree; empty if they do."""
    if stored.verdict.label != again.verdict.label:
        return f"a re-run says {again.verdict.label}, not {stored.verdict.label}"
    off = [one for one in compare(stored, again) if not one.agrees]
    said = [f"{one.score} {_shown(one.again.value)} outside [{_shown(one.stored.low)}, {_shown(one.stored.high)}]" for one in off]
    return f"a re-run gives {', '.join(said)}" if said else ""


def verified(stored: Record, again: Record, by: str, date: str) -> Record:
    """What stands in the table from now on: the re-run's own record if it agrees, else the stored one as `disputed`."""
    why = objection(stored, again)
    if why:
        return stored.model_copy(update={"verification": Verification(status="disputed", by=by, date=date, reason=why)}).sealed()
    why = f"agrees with the {stored.verification.status.replace('_', '-')} record {stored.digest[:12]}"
    return again.model_copy(update={"verification": Verification(status="rerun", by=by, date=date, reason=why)}).sealed()


def _shown(number: float | None) -> str:
    return "none" if number is None else f"{number:.3f}"
