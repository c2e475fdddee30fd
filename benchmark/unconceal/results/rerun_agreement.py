"""Whether a fresh re-run agrees with a stored record, and the record that results.

Agreement is by intervals: two unbiased estimates with equal standard errors have disjoint 95 % intervals in 0.6 % of re-runs,
P(|z| > 2 · 1.96 / √2). METRICS, section "Uncertainty".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.copied_records import fingerprints
from unconceal.results.fresh_checks import keeps_prompts
from unconceal.results.marks import with_mark
from unconceal.results.record_checks import record_flaws
from unconceal.specs.record import Label, Record, Score, Verification
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

HEADLINE = ("excess", "excess.prompt", "excess.empty", "excess.relearning", "presence", "retain_drop")
OPTIONAL = frozenset({"excess.relearning"})
"""Compared where both records have it: a probe may be uninformative or fail."""
SAME_FIELDS = ("suite", "suite_version", "task", "submission", "protocol", "tier", "judges")
SAME_CHECKPOINT_FIELDS = ("suite_digest", "task_digest", "sha256")
NO_SCORE = Score(value=None, n=0)
NO_CLAIM: frozenset[Label] = frozenset({"inconclusive", "undetermined"})
WEAKER: Mapping[Label, Label] = {"forgets": "not retrieved"}
"""A label, and the one that says less of the same."""
RUN_FRESH = "run `unconceal run --fresh`"


class RerunComparison(NamedTuple):
    """One headline score, stored and re-run."""

    score: str
    stored: Score
    rerun: Score

    @property
    def agrees(self) -> bool:
        """Whether the intervals overlap, or both scores are undefined."""
        if self.stored.value is None or self.rerun.value is None:
            return self.stored.value is self.rerun.value
        return _low(self.stored) <= _high(self.rerun) and _low(self.rerun) <= _high(self.stored)


def check_fresh(stored: Record, rerun: Record, path: Path) -> None:
    """Check that a record is a fresh re-run of another: other prompts, seeds and ψ, other images, another time or machine.

    Args:
        stored: the published record.
        rerun: the record of the re-run.
        path: its file.

    Raises:
        CheckFailed: it is not.
    """
    value = f"{path}: the re-run of {rerun.submission} on {rerun.task}"
    if rerun.fresh is None or stored.fresh is not None:
        consequence = "was not drawn afresh, so its probes were known to the author"
        raise CheckFailed("rerun.not-fresh", value, consequence, f"{RUN_FRESH}, and compare its record with the published row")
    same_images = bool({*fingerprints(stored)} & {*fingerprints(rerun)}) or _outputs(stored) == _outputs(rerun)
    same_run = rerun.date is None or (stored.date, stored.environment) == (rerun.date, rerun.environment)
    if same_images or same_run:
        consequence = "is the same measurement, or has no time of its own, so it says nothing new"
        raise CheckFailed("rerun.same-measurement", value, consequence, RUN_FRESH)


def check_golds(stored: Mapping[str, Record], rerun: Record, golds: Mapping[Path, Record], path: Path) -> None:
    """Check that the golds of a re-run are the row's golds, measured again with the prompts of the re-run, and that none is missing.

    Args:
        stored: the published records of the row's golds, by name.
        rerun: the record of the re-run.
        golds: records beside it.
        path: file of the re-run.

    Raises:
        CheckFailed: one is missing, has other prompts or weights, or is no fresh re-run of its published record.
    """
    drawn = {gold.submission for gold in golds.values() if gold.fresh == rerun.fresh and gold.task == rerun.task}
    if missing := sorted(stored.keys() - drawn):
        value = f"{path}: the re-run of {rerun.submission} on {rerun.task}"
        consequence = f"lacks {', '.join(missing)} with its prompts, so it would have another reference than the row"
        raise CheckFailed("rerun.missing-golds", value, consequence, "repeat `unconceal run --fresh --fresh-seed` with the same seed")
    for gold_path, gold in golds.items():
        published = stored[gold.submission]
        check_fresh(published, gold, gold_path)
        if {*fingerprints(gold)} & {*fingerprints(rerun)} and gold.submission != rerun.submission:
            value = f"{path}: the re-run of {rerun.submission} on {rerun.task}"
            raise CheckFailed("rerun.same-measurement", value, f"has the numbers of {gold_path.name}, so one of them was copied", RUN_FRESH)
        if differences := list(_different_fields(published, gold)):
            value, consequence = (
                f"{gold_path}: {gold.submission} on {gold.task}",
                f"differs from the published gold in {', '.join(differences)}",
            )
            raise CheckFailed("rerun.not-comparable", value, f"{consequence}, so it is another reference", RUN_FRESH)


def rerun_record(rerun: Record, golds: Sequence[Record], suite: Suite, task: Task, by: str, date: str) -> Record:
    """The re-run's record with scores computed against golds.

    Args:
        rerun: the record as the re-run wrote it.
        golds: measured with the same prompts, seeds and ψ.
        suite: that the re-run drew; ``task``: likewise.
        by: who ran it.
        date: ISO 8601.

    Raises:
        CheckFailed: it does not count as a re-run: uncommitted code, an unknown commit, or weights without a digest.
    """
    verification = Verification(status="rerun", by=by, date=date, reason="measured again")
    record = compute_verdict(rerun, golds, suite, task).model_copy(update={"verification": verification}).sealed()
    _check_flaws(record, "the re-run of")
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
    comparisons = (RerunComparison(name, stored.scores.get(name, NO_SCORE), rerun.scores.get(name, NO_SCORE)) for name in names)
    return tuple(pair for pair in comparisons if pair.score not in OPTIONAL or None not in (pair.stored.value, pair.rerun.value))


def disagreement(stored: Record, rerun: Record) -> str:
    """Why the re-run does not agree; empty if it does, or if one of the verdicts claims less (see :func:`is_undecided`)."""
    texts = [
        f"{comparison.score} {_interval(comparison.rerun)} apart from {_interval(comparison.stored)}"
        for comparison in compare_scores(stored, rerun)
        if not comparison.agrees
    ]
    if stored.verdict.label != rerun.verdict.label and (texts or not is_undecided(stored, rerun)):
        return f"{_title(rerun)} says {rerun.verdict.label}, not {stored.verdict.label}"
    return f"{_title(rerun)} gives {', '.join(texts)}" if texts else ""


def is_undecided(stored: Record, rerun: Record) -> bool:
    """Whether the verdicts differ without contradiction: one of them claims nothing, or less of the same."""
    labels = {stored.verdict.label, rerun.verdict.label}
    return len(labels) == 2 and (bool(labels & NO_CLAIM) or any(labels == {*pair} for pair in WEAKER.items()))


def with_verification(stored: Record, rerun: Record, by: str, date: str, path: Path) -> Record:
    """The published record as `rerun` if the re-run agrees, else as `disputed`. Its numbers stay: they are those of the suite's prompts.

    Args:
        stored: the published record, in the file ``path``.
        rerun: the record of the re-run.
        by: who compared them.
        date: ISO 8601.
        path: of the published record.

    Raises:
        CheckFailed: the row is withdrawn, the verdicts differ without contradiction, or the stored record cannot be verified.
    """
    reason = disagreement(stored, rerun)
    if stored.verification.status == "withdrawn":
        value, remedy = f"{path}: {stored.submission} on {stored.task}", "take the mark back with `unconceal results unmark`, then compare"
        raise CheckFailed("rerun.withdrawn", value, "is withdrawn, which a re-run does not undo", remedy)
    if not reason and is_undecided(stored, rerun):
        value = f"{path}: {stored.verdict.label} and {rerun.verdict.label} for {stored.submission} on {stored.task}"
        raise CheckFailed("rerun.undecided", value, "neither confirm nor contradict each other", "re-run with another seed")
    status = "disputed" if reason else "rerun"
    verification = Verification(status=status, by=by, date=date, reason=reason or f"agrees with {_title(rerun)}")
    record = with_mark(stored, verification, path)
    if not reason:
        _check_flaws(record, f"{path}: the row of")
    return record


def _outputs(record: Record) -> list[tuple[str, object]]:
    """The values per prompt of every curve, whatever ψ it names."""
    return [(curve.name, curve.per_prompt or curve.value) for curve in record.curves]


def _check_flaws(record: Record, title: str) -> None:
    for flaw in record_flaws(record):
        raise CheckFailed(flaw.code, f"{title} {record.submission} on {record.task}: {flaw.value}", flaw.consequence, flaw.remedy)


def _title(rerun: Record) -> str:
    """The re-run by its seed and its digest, by which its record can be identified."""
    assert rerun.fresh is not None
    prompts = ", with the published prompts" if keeps_prompts(rerun) else ""
    return f"a fresh re-run (seed {rerun.fresh.seed}, record {rerun.measured_digest[:12]}{prompts})"


def _different_fields(stored: Record, rerun: Record) -> Iterator[str]:
    yield from (name for name in SAME_FIELDS if getattr(stored, name) != getattr(rerun, name))
    yield from (name for name in SAME_CHECKPOINT_FIELDS if getattr(stored.checkpoint, name) != getattr(rerun.checkpoint, name))


def _low(score: Score) -> float:
    return -inf if score.low is None else score.low


def _high(score: Score) -> float:
    return inf if score.high is None else score.high


def _interval(score: Score) -> str:
    value, low, high = ("none" if number is None else f"{number:.3f}" for number in (score.value, score.low, score.high))
    return f"{value} [{low}, {high}]"
