"""Records that are copies of others: the numbers, or the weights, of one submission under the name of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unconceal.results.result_tables import ResultRow
from unconceal.specs.digests import canonical_digest
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record

CONTINUOUS_CURVES = ("ccs", "clip")
"""Curves of real numbers: two models never share one, while shares of a few images often coincide."""
DECIMALS = 3
"""To which values are compared, in any order, so that neither a rounded nor a permuted copy is new."""


def fingerprints(record: Record) -> Iterator[str]:
    """One digest for each curve that only the same images give."""
    for curve in record.curves:
        rows = sorted([round(value or 0.0, DECIMALS) for value in row] for row in curve.per_prompt)
        if curve.name in CONTINUOUS_CURVES and len({value for row in rows for value in row}) > len(rows):
            yield canonical_digest([curve.name, rows])


def copy_problems(rows: Iterable[ResultRow]) -> Iterator[Problem]:
    """Records with the numbers of another submission of the suite, or with the weights of another one on the same task.

    Which of two is the copy cannot be told from their content, except that controls are the suite's own.
    """
    groups: dict[tuple[str, str, str], list[ResultRow]] = {}
    for row in rows:
        for kind, key in {*_keys(row.record)}:
            groups.setdefault((row.record.suite, kind, key), []).append(row)
    for (_, kind, _), group in groups.items():
        for row in group:
            others = [other for other in group if other.record.submission != row.record.submission]
            if others and (not row.is_control or all(other.is_control for other in others)):
                value, consequence = f"{row.record.submission} on {row.record.task}", f"has the {kind} of {others[0].path}: one is a copy"
                yield Problem("record.copied", row.path, None, value, consequence, "remove the copy, or measure its own weights")


def _keys(record: Record) -> Iterator[tuple[str, str]]:
    yield from (("numbers", digest) for digest in fingerprints(record))
    if record.checkpoint.sha256 and record.checkpoint.format != "original":
        yield "weights", f"{record.task} {record.checkpoint.sha256}"
