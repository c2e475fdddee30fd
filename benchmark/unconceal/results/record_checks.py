"""What a record alone gets wrong: its digest, its shapes and ranges, and a verification that nobody stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from unconceal.specs.record import Curve, Record, Score, Verification

AGAIN = "run the evaluation again"
HEX = re.compile(r"[0-9a-f]{64}")
RANGES: dict[str, tuple[float, float]] = {
    "presence": (0, 1),
    "auc.": (0, 1),
    "ccs.": (0, 1),
    "crs.released.": (0, 1),
    "crs.signed.": (-1, 1),
    "psi_star.": (0, 1),
    "clip.": (0, 100),
    "retain_drop": (-float("inf"), 1),
}
"""Values that a score can have, by how its name begins."""


class Flaw(NamedTuple):
    """One thing wrong: the value, the consequence, the remedy."""

    code: str
    value: str
    consequence: str
    remedy: str = AGAIN


def flaws(record: Record) -> Iterator[Flaw]:
    """Everything wrong with a record that the record alone can show."""
    if record.digest != record.computed_digest():
        remedy = f"restore the file, or {AGAIN}"
        yield Flaw("record.altered", "digest", "does not hold, so the numbers were altered after the run", remedy)
    yield from _verification(record)
    for curve in record.curves:
        yield from _curve(curve)
    for room in ("scores", "damage", "attacks"):
        for name, score in getattr(record, room).items():
            yield from _score(f"{room}.{name}", name if room == "scores" else "", score)
    identities = [(curve.name, curve.split, curve.arm, curve.extractor) for curve in record.curves]
    for twice in sorted({str(one) for one in identities if identities.count(one) > 1}):
        yield Flaw("record.duplicate-curve", f"curve {twice}", "stands twice, so one of them would be passed over")
    yield from _provenance(record)


def _provenance(record: Record) -> Iterator[Flaw]:
    digests = {f"judges.{name}": digest for name, digest in record.judges.items()}
    digests |= {f"controls.{name}": digest for name, digest in record.controls.items()}
    digests |= {name: getattr(record.checkpoint, name) for name in ("task_digest", "suite_digest", "submission_digest")}
    if record.checkpoint.sha256 is not None:
        digests["checkpoint.sha256"] = record.checkpoint.sha256
    for name, digest in digests.items():
        if not HEX.fullmatch(digest):
            yield Flaw("record.bad-digest", f"{name} {digest[:20]!r}", "is no SHA-256 digest, so nobody can tell what was used")
    if record.code.commit is not None and not re.fullmatch(r"[0-9a-f]{40}", record.code.commit):
        yield Flaw("record.bad-commit", f"code.commit {record.code.commit[:50]!r}", "is no commit, so nobody can find the code")
    if record.timing.forward_passes < 0 or any(not 0 <= seconds < float("inf") for seconds in record.timing.seconds.values()):
        yield Flaw("record.negative-time", "timing", "is negative, which no clock says")
    for name, part in record.checkpoint.components.items():
        counts = (part.matched, part.missing, part.unexpected, part.changed, part.relative_change)
        if min(counts) < 0 or part.changed > part.matched:
            yield Flaw("record.bad-count", f"checkpoint.components.{name}", "counts tensors that cannot be")


def _verification(record: Record) -> Iterator[Flaw]:
    said, code = record.verification, record.code
    if said.status != "self_reported" and (missing := _unsaid(said)):
        yield Flaw(
            "record.incomplete-verification",
            f"verification {said.status}",
            f"says not {missing}, so nobody stands for it",
            "use `unconceal results mark`",
        )
    if said.status != "rerun":
        return
    if code.dirty:
        yield Flaw(
            "record.dirty-code", "verification rerun", "stands on uncommitted code, which nobody can repeat", "re-run from a clean commit"
        )
    if code.commit is None:
        yield Flaw("record.bad-commit", "verification rerun", "names no commit, so nobody can find the code again", "re-run from a clone")
    if record.checkpoint.sha256 is None and record.checkpoint.format != "original":
        yield Flaw(
            "record.no-weights-digest",
            "verification rerun",
            "names no digest of the weights, so nobody knows which were loaded",
            "re-run the pinned checkpoint",
        )


def _unsaid(said: Verification) -> str:
    """What a verification leaves out or says wrongly; empty if nothing."""
    wanted = {"by": "who", "date": "when", "reason": "why"}
    missing = [words for name, words in wanted.items() if not getattr(said, name).strip()]
    if not missing:
        try:
            date.fromisoformat(said.date)
        except ValueError:
            return "a date that is one (ISO 8601)"
    return ", ".join(missing)


def _curve(curve: Curve) -> Iterator[Flaw]:
    value = f"curve {curve.name}"
    if len({len(column) for column in (curve.psi, curve.k, curve.value, curve.low, curve.high, *curve.per_prompt)}) > 1:
        yield Flaw("record.unequal-columns", value, "has columns of unequal length")
        return
    if not curve.psi or any(later <= earlier for earlier, later in pairwise(curve.psi)) or not 0 <= curve.psi[0] <= curve.psi[-1] <= 1:
        yield Flaw("record.bad-psi", value, "has ratios ψ that do not ascend between 0 and 1")
    if any(later < earlier for earlier, later in pairwise(curve.k)) or min(curve.k, default=0) < 0:
        yield Flaw("record.bad-steps", value, "has steps k that do not ascend from 0")
    if any(_outside(*point) for point in zip(curve.value, curve.low, curve.high, strict=True)):
        yield Flaw("record.outside-interval", value, "has values outside their own intervals")
    low, high = _range(f"{curve.name}.") or (None, None)
    numbers = [number for row in (curve.value, *curve.per_prompt) for number in row if number is not None]
    if low is not None and high is not None and any(not low - 1e-9 <= number <= high + 1e-9 for number in numbers):
        yield Flaw("record.out-of-range", value, f"has values outside {low:g} to {high:g}")


def _score(where: str, name: str, score: Score) -> Iterator[Flaw]:
    if _outside(score.value, score.low, score.high):
        yield Flaw("record.outside-interval", where, "lies outside its own interval")
    found = _range(name)
    if found and score.value is not None and not found[0] - 1e-9 <= score.value <= found[1] + 1e-9:
        yield Flaw(
            "record.out-of-range", f"{where} = {score.value:g}", f"lies outside {found[0]:g} to {found[1]:g}, which no such score can"
        )


def _outside(value: float | None, low: float | None, high: float | None) -> bool:
    if low is not None and high is not None and low > high:
        return True
    if value is None:
        return False
    return (low is not None and value < low - 1e-9) or (high is not None and value > high + 1e-9)


def _range(name: str) -> tuple[float, float] | None:
    """The values that a score or curve of that name can have; None: any."""
    return next((limits for start, limits in RANGES.items() if name.startswith(start)), None)
