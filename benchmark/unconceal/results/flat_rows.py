"""A record as one flat row: the columns of the CSV export and of data frames."""

from __future__ import annotations

from typing import Any

from unconceal.specs.record import Record

FlatRow = dict[str, Any]


def flat_row(record: Record, record_id: str) -> FlatRow:
    """Identity, verdict and verification of a record, and four columns for each score: value, low, high and n.

    Args:
        record: the record.
        record_id: its measured digest, which citations name.
    """
    columns: FlatRow = {
        "suite": record.suite,
        "suite_version": record.suite_version,
        "task": record.task,
        "protocol": record.protocol,
        "tier": record.tier,
        "submission": record.submission,
        "verdict": record.verdict.label,
        "verdict_code": record.verdict.code,
        "gold": record.verdict.gold,
        "inference": record.inference.rule if record.inference else None,
        "verification": record.verification.status,
        "verified_by": record.verification.by,
        "verified_on": record.verification.date,
        "verified_reason": record.verification.reason,
        "record_id": record_id,
        "digest": record.digest,
    }
    for field, prefix in (("scores", ""), ("damage", "damage."), ("attacks", "attacks.")):
        for name, score in getattr(record, field).items():
            columns |= {f"{prefix}{name}": score.value, f"{prefix}{name}.low": score.low, f"{prefix}{name}.high": score.high}
            columns |= {f"{prefix}{name}.n": score.n}
    return columns
