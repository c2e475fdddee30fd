"""Records that are copies of others: the numbers, or the weights, of one submission under the name of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from unconceal.results.passed_checks import FolderFacts
from unconceal.specs.digests import canonical_digest
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record
from unconceal.specs.submission import is_control_name

CONTINUOUS_CURVES = ("ccs", "clip")
"""Curves of real numbers: two models never share one, while shares of a few images often coincide."""
NUMBERS = "numbers"
ORIGINAL, OWN_DECODER = "control-original", "own decoder"
"""A submission that changes nothing but the decoder has θ's numbers: every image is decoded by θ's VAE."""
DECIMALS = 3
"""To which values are compared, in any order, so that neither a rounded nor a permuted copy is new."""


def fingerprints(record: Record) -> Iterator[str]:
    """One digest for each curve that only the same images give."""
    for curve in record.curves:
        rows = sorted([round(value or 0.0, DECIMALS) for value in row] for row in curve.per_prompt)
        if curve.name in CONTINUOUS_CURVES and len({value for row in rows for value in row}) > len(rows):
            yield canonical_digest([curve.name, rows])


def copy_keys(record: Record) -> list[list[str]]:
    """Kind and digest of what no other submission may have: each curve's numbers, and the weights on the record's task."""
    keys = [[NUMBERS, digest] for digest in sorted({*fingerprints(record)})]
    if record.checkpoint.sha256 and record.checkpoint.format != "original":
        keys.append(["weights", f"{record.task} {record.checkpoint.sha256}"])
    if {name for name, component in record.checkpoint.components.items() if component.changed} == {"vae"}:
        keys.append([OWN_DECODER, ""])
    return keys


def has_original_images(it: FolderFacts) -> bool:
    """Whether the record's images are θ's."""
    return it.submission == ORIGINAL or any(kind == OWN_DECODER for kind, _ in it.keys)


def copy_problems(facts: Iterable[FolderFacts]) -> Iterator[Problem]:
    """Records with the numbers of another submission of the suite, or with the weights of another one on the same task.

    Which of two is the copy cannot be told from their content, except that controls are the suite's own.
    """
    groups: dict[tuple[str, str, str], list[FolderFacts]] = {}
    for it in facts:
        for kind, key in it.keys:
            if kind == OWN_DECODER:
                continue
            groups.setdefault((it.suite, kind, key), []).append(it)
    for (_, kind, _), group in groups.items():
        for it in group:
            others = [other for other in group if other.submission != it.submission]
            if kind == NUMBERS and has_original_images(it):
                others = [other for other in others if not has_original_images(other)]
            if others and (not is_control_name(it.submission) or all(is_control_name(other.submission) for other in others)):
                value, consequence = f"{it.submission} on {it.task}", f"has the {kind} of {others[0].path}: one is a copy"
                yield Problem("record.copied", Path(it.path), None, value, consequence, "remove the copy, or measure its own weights")
