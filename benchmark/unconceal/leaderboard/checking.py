"""Everything wrong with the records under `results/`, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from unconceal.errors import UnconcealError
from unconceal.leaderboard.reading import Stored, differs, record_paths
from unconceal.paths import DataRoot
from unconceal.specs.problems import Problem
from unconceal.specs.reading import load_suite, suites, task_files
from unconceal.specs.record import Record


def check_results(root: DataRoot) -> tuple[int, tuple[Problem, ...]]:
    """(how many records there are, everything wrong with them)."""
    paths = tuple(record_paths(root.results)) if root.results.is_dir() else ()
    readable: list[Stored] = []
    problems: list[Problem] = []
    for path in paths:
        found = _read(path)
        if isinstance(found, Record):
            readable.append(Stored(found, path))
        else:
            problems += found
    for row in readable:
        problems += [*_itself(row), *_place(row, root), *_specs(row.record, row.path, root), *_controls(row, readable)]
    problems += _mixtures(readable)
    return len(paths), tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.value)))


def _read(path: Path) -> Record | list[Problem]:
    """The record, or every field of it that is wrong."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        return [Problem(path, None, "the file", f"cannot be read ({error.strerror})", "make it readable")]
    except ValidationError as error:
        return [
            Problem(path, None, ".".join(map(str, one["loc"])) or "the file", f"is no record ({one['msg']})", "run the evaluation again")
            for one in error.errors(include_url=False)
        ]


def _itself(row: Stored) -> Iterator[Problem]:
    """What a record alone gets wrong: digest, curves, verification."""
    record = row.record
    if record.digest != record.computed_digest():
        consequence = "does not hold, so the numbers were altered after the run"
        yield Problem(row.path, None, "digest", consequence, "restore the file, or run the evaluation again")
    for curve in record.curves:
        if len({len(curve.psi), len(curve.k), len(curve.value), len(curve.low), len(curve.high)}) > 1:
            yield Problem(row.path, None, f"curve {curve.name}", "has columns of unequal length", "run the evaluation again")
    if record.verification.status == "rerun" and record.code.dirty:
        consequence = "stands on uncommitted code, which nobody can repeat"
        yield Problem(row.path, None, "verification rerun", consequence, "re-run from a clean commit")


def _place(row: Stored, root: DataRoot) -> Iterator[Problem]:
    if row.path != (expected := row.record.place(root.results)):
        yield Problem(row.path, None, "its place", "disagrees with its fields", f"move it to {expected}, or correct what was copied")


def _specs(record: Record, path: Path, root: DataRoot) -> Iterator[Problem]:
    """Suites and tasks that do not exist; a version that is still to come."""
    if record.suite not in suites(root):
        yield Problem(path, None, f"suite {record.suite!r}", "does not exist, so nobody knows what was measured", "restore its suite.yaml")
        return
    if (record.suite, record.task) not in {(suite, task) for suite, task, _ in task_files(root)}:
        consequence = f"does not exist in suite {record.suite}"
        yield Problem(path, None, f"task {record.task!r}", consequence, "restore the task, or remove the record")
    try:
        newest = load_suite(root, record.suite).version
    except UnconcealError as error:
        yield Problem(path, None, f"suite {record.suite!r}", f"cannot be read ({error})", "mend its suite.yaml")
        return
    if record.suite_version > newest:
        value, consequence = f"suite_version {record.suite_version}", f"is newer than the suite's own ({newest})"
        yield Problem(path, None, value, consequence, "update the suite, or run again")


def _controls(row: Stored, readable: Iterable[Stored]) -> Iterator[Problem]:
    """Control records that are not there, or have been measured anew since."""
    group = {other.record.submission: other.record.measured_digest for other in readable if _group(other.record) == _group(row.record)}
    remedy = "score it again, or restore the control's record"
    for name, digest in sorted(row.record.controls.items()):
        if name not in group:
            yield Problem(row.path, None, f"control {name}", "is not there, so the scores can't be repeated", remedy)
        elif group[name] != digest:
            yield Problem(row.path, None, f"control {name}", "was replaced after this record was scored", remedy)


def _mixtures(readable: list[Stored]) -> Iterator[Problem]:
    """Records that would stand in one table but were measured differently."""
    first: dict[tuple[str, int, str, str, str], Stored] = {}
    for row in readable:
        other = first.setdefault(_group(row.record), row)
        if why := differs(other.record, row.record):
            yield Problem(row.path, None, f"beside {other.path.name}", f"was measured under {why}", "run the older one again")


def _group(record: Record) -> tuple[str, int, str, str, str]:
    return record.suite, record.suite_version, record.task, record.protocol, record.tier
