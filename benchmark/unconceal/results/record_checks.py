"""Checks of a single record: its digest, shapes and ranges, provenance and verification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import NamedTuple

from unconceal.results.marks import missing_text
from unconceal.specs.inference_rule import rule_digest
from unconceal.specs.record import Curve, ProbeMeasurement, Record, Score
from unconceal.specs.submission import ORIGINAL_FORMAT, STANDALONE_FORMAT

RUN_AGAIN = "run the evaluation again"
RESCORE = "restore the file, or rescore it"
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
TOLERANCE, COUNT_TOLERANCE = 1e-9, 1e-6
RANGES: dict[str, tuple[float, float]] = {
    "presence": (0, 1),
    "auc.": (0, 1),
    "ccs.": (0, 1),
    "crs.released.": (0, 1),
    "crs.signed.": (-1, 1),
    "psi_star.": (0, 1),
    "clip.": (0, 100),
    "retain_drop": (-inf, 1),
}
"""Possible values of scores, by prefix of their names."""


class RecordFlaw(NamedTuple):
    """One flaw: code, value, consequence and remedy."""

    code: str
    value: str
    consequence: str
    remedy: str = RUN_AGAIN


def record_flaws(record: Record) -> Iterator[RecordFlaw]:
    """Every flaw that shows in the record alone."""
    if record.digest != record.computed_digest():
        remedy = f"restore the file, or {RUN_AGAIN}"
        yield RecordFlaw("record.altered", "digest", "does not match, so the numbers were altered after the run", remedy)
    yield from _verification_flaws(record)
    yield from _weights_flaws(record)
    yield from _inference_flaws(record)
    for curve in record.curves:
        yield from _curve_flaws(curve)
    for name, score in record.scores.items():
        yield from _score_flaws(f"scores.{name}", name, score)
    for name, measurement in record.battery.items():
        yield from _battery_flaws(f"battery.{name}", measurement)
    for field in ("damage", "attacks"):
        for name, score in getattr(record, field).items():
            yield from _score_flaws(f"{field}.{name}", "", score)
    keys = [curve.key for curve in record.curves]
    for key in sorted({str(key) for key in keys if keys.count(key) > 1}):
        yield RecordFlaw("record.duplicate-curve", f"curve {key}", "occurs twice, so one of them would be ignored")
    yield from _provenance_flaws(record)


def _provenance_flaws(record: Record) -> Iterator[RecordFlaw]:
    digests = {f"judges.{name}": digest for name, digest in record.judges.items()}
    digests |= {f"controls.{name}": digest for name, digest in record.controls.items()}
    digests |= {name: getattr(record.checkpoint, name) for name in ("task_digest", "suite_digest", "submission_digest")}
    if record.checkpoint.sha256 is not None:
        digests["checkpoint.sha256"] = record.checkpoint.sha256
    for name, digest in digests.items():
        if not SHA256.fullmatch(digest):
            yield RecordFlaw("record.bad-digest", f"{name} {digest[:20]!r}", "is not a SHA-256 digest, so it identifies nothing")
    if record.code.commit is not None and not COMMIT.fullmatch(record.code.commit):
        yield RecordFlaw("record.bad-commit", f"code.commit {record.code.commit[:50]!r}", "is not a commit, so the code cannot be found")
    if record.timing.forward_passes < 0 or any(not 0 <= seconds < inf for seconds in record.timing.seconds.values()):
        yield RecordFlaw("record.negative-time", "timing", "is negative or not finite")
    for name, component in record.checkpoint.components.items():
        counts = (component.matched, component.missing, component.unexpected, component.changed, component.relative_change)
        if min(counts) < 0 or component.changed > component.matched:
            yield RecordFlaw("record.bad-count", f"checkpoint.components.{name}", "has impossible counts of tensors")


def _verification_flaws(record: Record) -> Iterator[RecordFlaw]:
    verification, value = record.verification, f"verification {record.verification.status}"
    for state in (*record.earlier_verifications, verification):
        if state.status != "self_reported" and (missing := missing_text(state)):
            yield RecordFlaw(
                "record.incomplete-verification", f"verification {state.status}", f"lacks {missing}", "use `unconceal results mark`"
            )
    if verification.status != "rerun":
        return
    if record.code.dirty:
        yield RecordFlaw("record.dirty-code", value, "was measured with uncommitted code", "re-run from a clean commit")
    if record.code.commit is None:
        yield RecordFlaw("record.bad-commit", value, "has no commit, so the code cannot be found", "re-run from a clone")


def _weights_flaws(record: Record) -> Iterator[RecordFlaw]:
    """Weights without a digest, or that are θ's by the record's own counts. Surrogates are compared with nothing."""
    checkpoint = record.checkpoint
    if checkpoint.format == ORIGINAL_FORMAT:
        return
    if checkpoint.sha256 is None:
        consequence = "is missing, so it is unknown which weights were loaded"
        yield RecordFlaw("record.no-weights-digest", "checkpoint.sha256", consequence)
    changes = [component for component in checkpoint.components.values() if component.changed > 0 and component.relative_change > 0]
    if not changes and checkpoint.format != STANDALONE_FORMAT:
        consequence = "name no changed tensor, so the weights would be θ's own"
        yield RecordFlaw("record.unchanged-weights", "checkpoint.components", consequence)


def _inference_flaws(record: Record) -> Iterator[RecordFlaw]:
    """A rule beside other weights, or θ's weights with a digest that is not the rule's."""
    checkpoint, rule = record.checkpoint, record.inference
    if rule is not None and checkpoint.format != ORIGINAL_FORMAT:
        consequence = f"stands beside weights of format {checkpoint.format!r}, and a rule acts on θ's own"
        yield RecordFlaw("record.rule-with-weights", f"inference {rule.rule!r}", consequence)
    elif checkpoint.format == ORIGINAL_FORMAT and checkpoint.sha256 != (rule_digest(rule) if rule else None):
        consequence = "is not the digest of the record's inference rule, so the row would not say how its images were made"
        yield RecordFlaw("record.other-rule", "checkpoint.sha256", consequence)
    if checkpoint.format == ORIGINAL_FORMAT and record.verdict.label == "forgets":
        yield RecordFlaw("record.impossible-verdict", "verdict 'forgets'", "is of θ's own weights, which know the concept", RESCORE)


def _curve_flaws(curve: Curve) -> Iterator[RecordFlaw]:
    name = f"curve {curve.name}"
    if len({len(column) for column in (curve.psi, curve.k, curve.value, curve.low, curve.high, *curve.per_prompt)}) > 1:
        yield RecordFlaw("record.unequal-columns", name, "has columns of unequal length")
        return
    if not curve.psi or any(later <= earlier for earlier, later in pairwise(curve.psi)) or not 0 <= curve.psi[0] <= curve.psi[-1] <= 1:
        yield RecordFlaw("record.bad-psi", name, "has ψ values that do not ascend between 0 and 1")
    if any(later < earlier for earlier, later in pairwise(curve.k)) or min(curve.k, default=0) < 0:
        yield RecordFlaw("record.bad-steps", name, "has steps k that do not ascend from 0")
    if any(_is_outside(*point) for point in zip(curve.value, curve.low, curve.high, strict=True)):
        yield RecordFlaw("record.outside-interval", name, "has values outside their own intervals")
    limits = _possible_range(f"{curve.name}.")
    numbers = [number for row in (curve.value, *curve.per_prompt) for number in row if number is not None]
    if limits and not all(_is_within(number, limits) for number in numbers):
        yield RecordFlaw("record.out-of-range", name, f"has values outside {limits[0]:g} to {limits[1]:g}")


def _battery_flaws(location: str, measurement: ProbeMeasurement) -> Iterator[RecordFlaw]:
    """Flaws of one probe's rates, which are shares of ``images_per_prompt`` images."""
    levels, tables = measurement.levels, (measurement.per_prompt, measurement.original)
    if len(set(levels)) < len(levels) or not measurement.scored or not {*measurement.scored} <= {*levels}:
        yield RecordFlaw("record.bad-levels", location, "has no levels to score, or scores levels that it lacks")
    if any(bool(table) == bool(measurement.error) for table in tables):
        yield RecordFlaw("record.bad-battery", location, "has rates although it failed, or lacks them although it did not")
    if len(tables[0]) != len(tables[1]) or any(len(row) != len(levels) for table in tables for row in table):
        yield RecordFlaw("record.unequal-columns", location, "has rates of unequal shape")
    rates = [rate for table in tables for row in table for rate in row]
    if not all(_is_within(rate, (0, 1)) for rate in rates):
        yield RecordFlaw("record.out-of-range", location, "has rates outside 0 to 1")
    elif any(abs(counted - round(counted)) > COUNT_TOLERANCE for counted in (rate * measurement.images_per_prompt for rate in rates)):
        yield RecordFlaw("record.bad-battery", location, f"has rates that are no shares of {measurement.images_per_prompt} images")


def _score_flaws(location: str, name: str, score: Score) -> Iterator[RecordFlaw]:
    if _is_outside(score.value, score.low, score.high):
        yield RecordFlaw("record.outside-interval", location, "is outside its own interval")
    limits = _possible_range(name)
    if limits and score.value is not None and not _is_within(score.value, limits):
        yield RecordFlaw("record.out-of-range", f"{location} = {score.value:g}", f"is outside {limits[0]:g} to {limits[1]:g}")


def _is_outside(value: float | None, low: float | None, high: float | None) -> bool:
    """Whether a value is outside its limits, or the limits are reversed."""
    if low is not None and high is not None and low > high:
        return True
    if value is None:
        return False
    return (low is not None and value < low - TOLERANCE) or (high is not None and value > high + TOLERANCE)


def _is_within(value: float, limits: tuple[float, float]) -> bool:
    """Whether a value is within limits; not a number is not."""
    return limits[0] - TOLERANCE <= value <= limits[1] + TOLERANCE


def _possible_range(name: str) -> tuple[float, float] | None:
    """The possible values of a score or curve; None if there is no limit."""
    return next((limits for prefix, limits in RANGES.items() if name.startswith(prefix)), None)
