"""Marks on rows: disputing, withdrawing and taking back. Every earlier state stays in the record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from unconceal.errors import CheckFailed, UsageError
from unconceal.specs.record import Record, Verification

MARKS = ("disputed", "withdrawn")
"""Statuses that take a row out of rankings, means and citations."""


def is_marked(record: Record) -> bool:
    """Whether a row is disputed or withdrawn."""
    return record.verification.status in MARKS


def missing_text(verification: Verification) -> str:
    """What a verification lacks; empty if it is complete."""
    missing = [name for name in ("by", "date", "reason") if not getattr(verification, name).strip()]
    return ", ".join(missing) or ("" if is_iso_date(verification.date) else "a date like 2026-11-30")


def is_iso_date(text: str) -> bool:
    """Whether a text is a day as ``2026-11-30``."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def with_mark(record: Record, verification: Verification, path: Path) -> Record:
    """The record with another verification; the present one becomes the last of the earlier ones.

    Raises:
        UsageError: the verification lacks a name, a date or a reason.
    """
    if missing := missing_text(verification):
        value = f"{path}: {verification.status} on {record.task}"
        raise UsageError("mark.incomplete", value, f"lacks {missing}, so nobody could follow it up", "give --by, --reason and --date")
    earlier = (*record.earlier_verifications, record.verification)
    return record.model_copy(update={"verification": verification, "earlier_verifications": earlier}).sealed()


def without_mark(record: Record, by: str, on: str, reason: str, path: Path) -> Record:
    """The record as it was verified before its marks. The marks stay among the earlier verifications.

    Raises:
        CheckFailed: the row has no mark.
        UsageError: the name, the date or the reason is missing.
    """
    if not is_marked(record):
        value = f"{path}: {record.submission} on {record.task}"
        raise CheckFailed("mark.none", value, "is neither disputed nor withdrawn, so there is nothing to take back", "name a marked row")
    unmarked = [verification for verification in record.earlier_verifications if verification.status not in MARKS]
    status = unmarked[-1].status if unmarked else "self_reported"
    return with_mark(record, Verification(status=status, by=by, date=on, reason=reason), path)


def record_ids(record: Record) -> Iterator[str]:
    """Every id that a citation of the row may have: the measured digest, the digest, and the digests before each mark."""
    yield record.measured_digest
    states = (*record.earlier_verifications, record.verification)
    for index, verification in enumerate(states):
        changes = {"verification": verification, "earlier_verifications": states[:index]}
        yield record.model_copy(update=changes).computed_digest()
