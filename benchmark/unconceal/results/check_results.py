"""Everything wrong with the records under `results/`, all at once. Nothing of what is checked is executed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from unconceal.errors import UnconcealError
from unconceal.evaluation.environment import spec_digests
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent
from unconceal.results.recomputation import controls_of, disagreements
from unconceal.results.record_checks import AGAIN, flaws
from unconceal.results.result_tables import ResultRow, difference, record_paths
from unconceal.specs.loader import load_submission, load_suite, load_task, submission_files, suites, task_files
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

LARGEST = 64 * 2**20
"""Bytes of a record; a larger file is not opened."""
FEW = 20
"""Records that are checked before anyone asks how far it is."""
Group = tuple[str, int, str, str, str]


def check_results(
    root: DataRoot, recompute: bool = True, only: Collection[Path] = (), progress: Progress | None = None
) -> tuple[int, tuple[Problem, ...]]:
    """(how many records there are, everything wrong with them).

    ``recompute``: also compute every aggregate again. ``only``: look at these files alone; the others are read for comparison.
    """
    paths = tuple(record_paths(root.results)) if root.results.is_dir() else ()
    readable: list[ResultRow] = []
    problems: list[Problem] = []
    for path in paths:
        found = _read(path)
        if isinstance(found, Record):
            readable.append(ResultRow(found, path))
        else:
            problems += found
    groups: dict[Group, dict[str, Record]] = {}
    for row in readable:
        groups.setdefault(_group(row.record), {})[row.record.submission] = row.record
    asked = [row for row in readable if not only or row.path in only]
    stage = (progress if progress and len(asked) > FEW else Silent()).stage("checking", len(asked))
    for row in asked:
        problems += _row(row, root, groups[_group(row.record)], recompute)
        stage.advance()
    problems += _mixtures(readable)
    problems = [problem for problem in problems if not only or problem.file in only]
    return len(only) or len(paths), tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.value)))


def _read(path: Path) -> Record | list[Problem]:
    """The record, or every field of it that is wrong."""
    try:
        if path.is_symlink():
            return [Problem("record.link", path, None, "the file", "is a link, which is not followed", "put the record itself there")]
        if path.stat().st_size > LARGEST:
            return [
                Problem("record.too-large", path, None, "the file", f"is larger than {LARGEST // 2**20} MiB, so it is not opened", AGAIN)
            ]
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        return [Problem("record.unreadable", path, None, "the file", f"cannot be read ({error.strerror})", "make it readable")]
    except ValidationError as error:
        return [
            Problem("record.invalid", path, None, ".".join(map(str, one["loc"])) or "the file", f"is no record ({one['msg']})", AGAIN)
            for one in error.errors(include_url=False, include_input=False)
        ]


def _row(row: ResultRow, root: DataRoot, group: dict[str, Record], recompute: bool) -> Iterator[Problem]:
    """What is wrong with one record; it is computed again only if nothing simpler is."""
    simple = [*_itself(row), *_place(row, root), *_specs(row, root), *_controls(row, group)]
    yield from simple
    suite, task = _suite_of(root, row.record.suite), _task_of(root, row.record.suite, row.record.task)
    if simple or not recompute or suite is None or task is None or suite.version != row.record.suite_version:
        return
    for what, how in disagreements(row.record, controls_of(row.record, group), suite, task):
        yield Problem("record.not-reproduced", row.path, None, what, f"{how}: it does not follow from the record", AGAIN)


def _itself(row: ResultRow) -> Iterator[Problem]:
    return (Problem(flaw.code, row.path, None, flaw.value, flaw.consequence, flaw.remedy) for flaw in flaws(row.record))


def _place(row: ResultRow, root: DataRoot) -> Iterator[Problem]:
    if row.path != (expected := row.record.place(root.results)):
        yield Problem(
            "record.wrong-path",
            row.path,
            None,
            "its place",
            "disagrees with its fields",
            f"move it to {expected}, or correct what was copied",
        )


def _specs(row: ResultRow, root: DataRoot) -> Iterator[Problem]:
    """Suites and tasks that do not exist; a version that is still to come; other specs than today's under the same version."""
    record, path = row.record, row.path
    if record.suite not in suites(root):
        yield Problem(
            "record.unknown-suite",
            path,
            None,
            f"suite {record.suite!r}",
            "does not exist, so nobody knows what was measured",
            "restore its suite.yaml",
        )
        return
    suite = _suite_of(root, record.suite)
    if suite is None:
        yield Problem(
            "record.unreadable-suite",
            path,
            None,
            f"suite {record.suite!r}",
            "cannot be read",
            "mend its suite.yaml, see `unconceal tasks lint`",
        )
        return
    if record.suite_version > suite.version or record.suite_version < 1:
        value, consequence = f"suite_version {record.suite_version}", f"is none of the suite's versions (1 to {suite.version})"
        yield Problem("record.unknown-version", path, None, value, consequence, "update the suite, or run again")
    if record.suite_version != suite.version:
        return
    if (record.suite, record.task) not in {(of, task) for of, task, _ in task_files(root)}:
        yield Problem(
            "record.unknown-task",
            path,
            None,
            f"task {record.task!r}",
            f"does not exist in suite {record.suite}",
            "restore the task, or remove the record",
        )
        return
    yield from _todays(row, root, suite)


def _todays(row: ResultRow, root: DataRoot, suite: Suite) -> Iterator[Problem]:
    """Whether the specs, judges and tier of the newest version are what the record was measured with."""
    record, task = row.record, _task_of(root, row.record.suite, row.record.task)
    if record.tier not in suite.tiers or record.protocol not in (suite.protocol, "paper"):
        yield Problem(
            "record.unknown-tier", row.path, None, f"{record.protocol}-{record.tier}", f"is no protocol and tier of {suite.id}", AGAIN
        )
        return
    pinned = {"concept": suite.judges.concept, "clip": suite.judges.clip, **suite.judges.extractors}
    if record.judges != {name: judge.digest for name, judge in pinned.items()}:
        yield Problem("record.other-judges", row.path, None, "judges", f"are not those that {suite.id} pins", AGAIN)
    submission = _submission_of(root, record.suite, record.submission)
    checkpoint = submission.checkpoints.get(record.task) if submission else None
    if task is None or submission is None or checkpoint is None:
        return
    wanted = spec_digests(suite, task, submission)
    for name, digest in wanted.items():
        if getattr(record.checkpoint, name) != digest:
            yield Problem("record.other-specs", row.path, None, name, f"is not that of today's file under version {suite.version}", AGAIN)
    if record.verification.status == "rerun" and checkpoint.format != "original" and checkpoint.sha256 != record.checkpoint.sha256:
        value, consequence = "verification rerun", "is of other weights than the submission pins"
        yield Problem("record.other-weights", row.path, None, value, consequence, "pin them, and re-run the pinned checkpoint")


def _controls(row: ResultRow, group: dict[str, Record]) -> Iterator[Problem]:
    """Control records that are not there, or have been measured anew since."""
    remedy = "score it again, or restore the control's record"
    for name, digest in sorted(row.record.controls.items()):
        if name not in group:
            yield Problem(
                "record.missing-control", row.path, None, f"control {name}", "is not there, so the scores can't be repeated", remedy
            )
        elif group[name].measured_digest != digest:
            yield Problem("record.replaced-control", row.path, None, f"control {name}", "was replaced after this record was scored", remedy)


def _mixtures(readable: Iterable[ResultRow]) -> Iterator[Problem]:
    """Records that would stand in one table but were measured differently."""
    first: dict[Group, ResultRow] = {}
    for row in readable:
        other = first.setdefault(_group(row.record), row)
        if why := difference(other.record, row.record):
            yield Problem(
                "record.mixed-settings", row.path, None, f"beside {other.path.name}", f"was measured under {why}", "run the older one again"
            )


def _group(record: Record) -> Group:
    return record.suite, record.suite_version, record.task, record.protocol, record.tier


@cache
def _suite_of(root: DataRoot, name: str) -> Suite | None:
    try:
        return load_suite(root, name)
    except (UnconcealError, OSError):
        return None


@cache
def _task_of(root: DataRoot, suite: str, task: str) -> Task | None:
    try:
        return load_task(root, f"{suite}:{task}")
    except (UnconcealError, OSError):
        return None


@cache
def _submission_of(root: DataRoot, suite: str, name: str) -> Submission | None:
    """As its file says today; None where that is gone or wrong: a record outlives it."""
    if (suite, name) not in {(of, called) for of, called, _ in submission_files(root)}:
        return None
    try:
        return load_submission(root, f"{suite}/{name}")
    except (UnconcealError, OSError):
        return None
