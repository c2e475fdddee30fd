"""Checks of a contribution: it may add records, but not change or remove any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unconceal.paths import DataRoot
from unconceal.results.reachable_weights import unreachable_weights
from unconceal.results.result_tables import record_paths
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record
from unconceal.specs.submission import is_control_name

SUFFIXES = (".json", ".webp", ".jpg", ".png", ".md")
"""Files in a results folder: records, their images, a README."""
RESTORE = "restore it; maintainers change records with `unconceal results compare` and `mark`"


def check_contribution(root: DataRoot, accepted: Path) -> tuple[Problem, ...]:
    """Problems of a contribution.

    Args:
        root: the data root with the contribution.
        accepted: the results folder before it.
    """
    results = root.results
    problems = [*_changed_records(results, accepted), *_reserved_claims(results, accepted), *_stray_files(results, accepted)]
    return tuple(sorted([*problems, *unreachable_weights(root, accepted)]))


def _changed_records(results: Path, accepted: Path) -> Iterator[Problem]:
    """Records that were removed or altered."""
    for accepted_path in record_paths(accepted):
        path = results / accepted_path.relative_to(accepted)
        if not path.is_file():
            yield Problem("record.removed", path, None, "the record", "was removed; a withdrawn row stays as `withdrawn`", RESTORE)
        elif path.read_bytes() != accepted_path.read_bytes():
            yield Problem("record.altered", path, None, "the record", "was altered, though it is not new", RESTORE)


def _reserved_claims(results: Path, accepted: Path) -> Iterator[Problem]:
    """New records with a verification or a name that only maintainers give."""
    for path in record_paths(results):
        if (accepted / path.relative_to(results)).is_file():
            continue
        try:
            record = Record.model_validate_json(path.read_bytes())
        except ValueError:
            continue  # Reported by `check_results`.
        if record.verification.status != "self_reported" or record.earlier_verifications:
            value = f"verification {record.verification.status}{' after others' * bool(record.earlier_verifications)}"
            yield Problem("record.verification-reserved", path, None, value, "is given by maintainers only", "leave it self_reported")
        if record.fresh is not None:
            value = f"fresh.seed {record.fresh.seed}"
            yield Problem(
                "record.fresh-rerun", path, None, value, "is of a fresh re-run, which is no row", "submit a record of the suite's prompts"
            )
        if is_control_name(record.submission):
            value = f"submission {record.submission}"
            yield Problem("record.control-name", path, None, value, "has the name of a control of the suite", "use another name")


def _stray_files(results: Path, accepted: Path) -> Iterator[Problem]:
    """New files of other kinds, and links, which are never followed."""
    for path in sorted(results.rglob("*")):
        if path.is_symlink():
            yield Problem("record.link", path, None, "the file", "is a link, which is not followed", "put the file itself there")
        elif path.is_file() and path.suffix not in SUFFIXES and not (accepted / path.relative_to(results)).is_file():
            yield Problem("record.stray-file", path, None, "the file", "is neither a record nor its images", "remove it")
