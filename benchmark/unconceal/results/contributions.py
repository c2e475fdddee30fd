"""What a contribution may do to the records that are there: add to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unconceal.results.result_tables import record_paths
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record

KINDS = (".json", ".webp", ".jpg", ".png", ".md")
"""Files that a results folder holds: records, their pictures, a README."""
RESTORE = "restore it; maintainers change records with `unconceal results compare` and `mark`"


def check_arrivals(results: Path, before: Path) -> tuple[Problem, ...]:
    """What is wrong with ``results`` as a contribution to the records in ``before``: changed, removed, claimed or foreign files."""
    return tuple(sorted([*_missing_or_altered(results, before), *_claims(results, before), *_strangers(results, before)]))


def _missing_or_altered(results: Path, before: Path) -> Iterator[Problem]:
    for path in record_paths(before):
        here = results / path.relative_to(before)
        if not here.is_file():
            yield Problem("record.removed", here, None, "the record", "was removed; a row that is taken back stays as `withdrawn`", RESTORE)
        elif here.read_bytes() != path.read_bytes():
            yield Problem("record.altered", here, None, "the record", "was altered, though it is not new", RESTORE)


def _claims(results: Path, before: Path) -> Iterator[Problem]:
    """New records that give themselves what only maintainers can."""
    for path in record_paths(results):
        if (before / path.relative_to(results)).is_file():
            continue
        try:
            record = Record.model_validate_json(path.read_bytes())
        except ValueError:
            continue  # `check_results` says what is wrong with it
        if record.verification.status != "self_reported":
            value = f"verification {record.verification.status}"
            yield Problem("record.verification-reserved", path, None, value, "is given by maintainers only", "leave it self_reported")
        if record.submission.startswith("control-"):
            yield Problem(
                "record.control-name",
                path,
                None,
                f"submission {record.submission}",
                "has a name of the suite's own controls",
                "use another name",
            )


def _strangers(results: Path, before: Path) -> Iterator[Problem]:
    """New files that no results folder holds, and links, which are never followed."""
    for path in sorted(results.rglob("*")):
        if path.is_symlink():
            yield Problem("record.link", path, None, "the file", "is a link, which is not followed", "put the file itself there")
        elif path.is_file() and path.suffix not in KINDS and not (before / path.relative_to(results)).is_file():
            yield Problem("record.stray-file", path, None, "the file", "is neither a record nor its pictures", "remove it")
