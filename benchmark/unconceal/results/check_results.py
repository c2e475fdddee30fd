"""Checks all records under `results/` at once. Nothing of what is checked is executed."""

from __future__ import annotations

import errno
import multiprocessing
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from unconceal.errors import UnconcealError
from unconceal.evaluation.environment import spec_digests
from unconceal.files import read_regular_file
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent, Stage
from unconceal.results.copied_records import copy_keys, copy_problems
from unconceal.results.fresh_checks import drawn_specs, fresh_flaws
from unconceal.results.image_files import image_flaws
from unconceal.results.passed_checks import FolderFacts, FolderOutcome, PassedChecks, folder_key, specs_key
from unconceal.results.recomputation import disagreements, named_controls
from unconceal.results.record_checks import RUN_AGAIN, record_flaws
from unconceal.results.result_tables import SUITE_FOLDER, ResultRow, difference, record_paths
from unconceal.results.run_checks import run_flaws
from unconceal.specs.digests import canonical_digest
from unconceal.specs.json_budget import json_excess, parse_json
from unconceal.specs.loader import load_controls, load_submission, load_suite, load_task, submission_files, suite_names, task_files
from unconceal.specs.problems import MAX_MISTAKES, Problem
from unconceal.specs.record import MAX_RECORD_BYTES, Record, old_format_error
from unconceal.specs.submission import ORIGINAL_FORMAT, STANDALONE_FORMAT, Submission, is_control_name, is_gold_name
from unconceal.specs.suite import REFERENCE_TIER, VERDICT, Suite
from unconceal.specs.task import Task

PROGRESS_THRESHOLD = 20
"""Number of records above which progress is shown."""
UNREAD_FORMATS = {ORIGINAL_FORMAT, STANDALONE_FORMAT}
"""Formats that a submission declares; all others are read from the files."""
GroupKey = tuple[str, int, str, str, str]


class CheckedResults(NamedTuple):
    """The number of records and everything wrong with them."""

    n_records: int
    problems: tuple[Problem, ...]


def check_results(
    root: DataRoot,
    recompute: bool = True,
    only: Collection[Path] = (),
    progress: Progress | None = None,
    workers: int = 1,
    passed: PassedChecks | None = None,
) -> CheckedResults:
    """Checks the records of a data root.

    Args:
        root: the data root.
        recompute: also recompute every aggregate.
        only: check these files alone; the others are read for comparison.
        progress: shows how many records are checked.
        workers: processes, each for the records of one task. More than one only from a program whose main module has a guard.
        passed: outcomes of earlier runs, which are used where nothing changed and replaced by this run's; None: check everything.
    """
    folders: dict[Path, list[Path]] = {}
    for path in record_paths(root.results) if root.results.is_dir() else ():
        folders.setdefault(path.parent, []).append(path)
    n_records = sum(map(len, folders.values()))
    stage = (progress if progress and n_records > PROGRESS_THRESHOLD else Silent()).stage("checking", n_records)
    known = passed.folders if passed else {}
    specs = {folder: specs_key(root, _suite_of(root, folder)) if passed else "" for folder in folders}
    keys = {folder: folder_key(folder, specs[folder], recompute) if passed else str(folder) for folder, paths in folders.items()}
    outcomes = {key: known[key] for key in keys.values() if key in known}
    jobs = [
        FolderJob(root, tuple(paths), recompute, frozenset(only), specs[folder], passed.reproduced if passed else frozenset())
        for folder, paths in folders.items()
        if keys[folder] not in outcomes
    ]
    outcomes |= {keys[job.paths[0].parent]: outcome for job, outcome in zip(jobs, _run(jobs, workers, stage), strict=True)}
    problems = [problem for outcome in outcomes.values() for problem in outcome.problems]
    problems += copy_problems(it for outcome in outcomes.values() for it in outcome.facts)
    if passed and not only:
        passed.save(outcomes)
    problems = [problem for problem in problems if not only or problem.file in only]
    return CheckedResults(len(only) or n_records, tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.value))))


class FolderJob(NamedTuple):
    """The records of one folder, which are those of one task: a record is compared with golds beside it.

    Attributes:
        specs: digest of what they are checked against.
        reproduced: keys of records that were recomputed without a difference.
    """

    root: DataRoot
    paths: tuple[Path, ...]
    recompute: bool
    only: frozenset[Path]
    specs: str
    reproduced: frozenset[str]


def check_folder(job: FolderJob) -> FolderOutcome:
    """The outcome of one folder."""
    rows: list[ResultRow] = []
    outcome = FolderOutcome([], [], [])
    for path in job.paths:
        record = _read(path)
        if isinstance(record, Record):
            rows.append(ResultRow(record, path))
        else:
            outcome.problems.extend(record)
    groups: dict[GroupKey, dict[str, Record]] = {}
    for row in rows:
        groups.setdefault(_group_key(row.record), {})[row.record.submission] = row.record
    for row in rows:
        record = row.record
        outcome.facts.append(FolderFacts(str(row.path), record.suite, record.submission, record.task, copy_keys(record)))
        if job.only and row.path not in job.only:
            continue
        group = groups.get(_gold_key(record), {})
        key = canonical_digest([record.computed_digest(), sorted(record.controls.items()), job.specs])
        problems = list(_row_problems(row, job.root, group, job.recompute and key not in job.reproduced))
        outcome.problems.extend(problems)
        if job.recompute and not problems:
            outcome.reproduced.append(key)
    outcome.problems.extend(_mixture_problems(rows))
    return outcome


def _suite_of(root: DataRoot, folder: Path) -> str:
    """The suite of ``<suite>-<version>/<category>/<concept>``; empty for another folder."""
    match = SUITE_FOLDER.match(folder.relative_to(root.results).parts[0]) if folder != root.results else None
    return match["suite"] if match else ""


def _run(jobs: Sequence[FolderJob], workers: int, stage: Stage) -> Iterator[FolderOutcome]:
    """The outcomes in the order of the jobs."""
    if workers == 1 or len(jobs) < 2:
        outcomes: Iterable[FolderOutcome] = map(check_folder, jobs)
        yield from _counted(jobs, outcomes, stage)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn")) as pool:
        yield from _counted(jobs, pool.map(check_folder, jobs), stage)


def _counted(jobs: Iterable[FolderJob], outcomes: Iterable[FolderOutcome], stage: Stage) -> Iterator[FolderOutcome]:
    for job, outcome in zip(jobs, outcomes, strict=True):
        stage.advance(len(job.paths))
        yield outcome


def _read(path: Path) -> Record | list[Problem]:
    """The record, or every wrong field of it."""
    try:
        if path.is_symlink():
            return [Problem("record.link", path, None, "the file", "is a link, which is not followed", "put the record itself there")]
        content = read_regular_file(path, MAX_RECORD_BYTES, follow_links=False)
        if excess := json_excess(content):
            return [Problem("record.too-large", path, None, "the file", f"holds {excess}, so it is not read", RUN_AGAIN)]
        if key := _duplicate_key(content):
            consequence = "stands twice in one object, so two readers would see two records"
            return [Problem("record.duplicate-key", path, None, repr(key), consequence, RUN_AGAIN)]
        return Record.model_validate_json(content)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return [Problem("record.too-large", path, None, "the file", f"is not opened: {error.strerror}", RUN_AGAIN)]
        return [Problem("record.unreadable", path, None, "the file", f"cannot be read ({error.strerror})", "make it readable")]
    except ValidationError as error:
        if old := old_format_error(path, content):
            return [Problem(old.code, path, None, "schema_version", old.consequence, old.remedy)]
        if error.error_count() > MAX_MISTAKES:
            return [Problem("record.invalid", path, None, f"{error.error_count()} fields", "are wrong, so it is not a record", RUN_AGAIN)]
        return [
            Problem("record.invalid", path, None, ".".join(map(str, it["loc"])) or "the file", f"is not a record ({it['msg']})", RUN_AGAIN)
            for it in error.errors(include_url=False, include_input=False)
        ]


def _duplicate_key(content: bytes) -> str | None:
    """A key that an object has twice; what is no JSON has none, and is refused as no record."""
    try:
        return parse_json(content)[1]
    except (ValueError, RecursionError):
        return None


def _row_problems(row: ResultRow, root: DataRoot, group: dict[str, Record], recompute: bool) -> Iterator[Problem]:
    """Problems of one record; it is recomputed only if nothing simpler is wrong."""
    problems = [*_flaws(row), *_path_problems(row, root), *_spec_problems(row, root), *_control_problems(row, group, root)]
    yield from problems
    suite, task = _load_suite(root, row.record.suite), _load_task(root, row.record.suite, row.record.task)
    if problems or suite is None or task is None or suite.version != row.record.suite_version:
        return
    drawn = drawn_specs(row.record, suite, task, root)
    flaws = [_problem(row, *flaw) for flaw in (*fresh_flaws(row.record, drawn, task), *run_flaws(row.record, *drawn))]
    yield from flaws
    if flaws or not recompute:
        return
    for name, text in disagreements(row.record, named_controls(row.record, group), *drawn):
        yield _problem(row, "record.not-reproduced", name, f"{text}: it does not follow from the record")


def _problem(row: ResultRow, code: str, value: str, consequence: str, remedy: str = RUN_AGAIN) -> Problem:
    return Problem(code, row.path, None, value, consequence, remedy)


def _flaws(row: ResultRow) -> Iterator[Problem]:
    yield from (_problem(row, *flaw) for flaw in record_flaws(row.record))
    yield from (_problem(row, flaw.code, flaw.value, flaw.consequence, flaw.remedy) for flaw in image_flaws(row.record, row.path))


def _path_problems(row: ResultRow, root: DataRoot) -> Iterator[Problem]:
    if row.path != (expected := row.record.path(root.results)):
        remedy = f"move it to {expected}, or correct what was copied"
        yield _problem(row, "record.wrong-path", "its path", "disagrees with its fields", remedy)


def _spec_problems(row: ResultRow, root: DataRoot) -> Iterator[Problem]:
    """Unknown suites, versions and tasks, and specs that differ from today's under the same version."""
    record, name = row.record, f"suite {row.record.suite!r}"
    if record.suite not in suite_names(root):
        consequence = "does not exist, so it is unknown what was measured"
        yield _problem(row, "record.unknown-suite", name, consequence, "restore its suite.yaml")
        return
    suite = _load_suite(root, record.suite)
    if suite is None:
        yield _problem(row, "record.unreadable-suite", name, "cannot be read", "correct its suite.yaml, see `unconceal tasks lint`")
        return
    if _load_submission(root, record.suite, record.submission) is None:
        value, remedy = (
            f"submission {record.submission!r}",
            f"add submissions/{record.suite}/{record.submission}.yaml, or remove the record",
        )
        yield _problem(row, "record.unknown-submission", value, "has no valid file, so it is unknown what was measured", remedy)
    if record.suite_version > suite.version or record.suite_version < 1:
        value, consequence = f"suite_version {record.suite_version}", f"is not a version of the suite (1 to {suite.version})"
        yield _problem(row, "record.unknown-version", value, consequence, "update the suite, or run again")
    if record.suite_version != suite.version:
        return
    if (record.suite, record.task) not in {(suite_name, task) for suite_name, task, _ in task_files(root)}:
        consequence = f"does not exist in suite {record.suite}"
        yield _problem(row, "record.unknown-task", f"task {record.task!r}", consequence, "restore the task, or remove the record")
        return
    yield from _version_problems(row, root, suite)


def _version_problems(row: ResultRow, root: DataRoot, suite: Suite) -> Iterator[Problem]:
    """Whether a record of the newest version was measured with its specs, judges and tier."""
    record, task = row.record, _load_task(root, row.record.suite, row.record.task)
    if not suite.has_tier(record.tier) or record.protocol not in (suite.protocol, "paper"):
        value = f"{record.protocol}-{record.tier}"
        yield _problem(row, "record.unknown-tier", value, f"is not a protocol and tier of {suite.id}")
        return
    pinned = {"concept": suite.judges.concept, "clip": suite.judges.clip, **suite.judges.extractors}
    if record.judges != {name: judge.digest for name, judge in pinned.items()}:
        yield _problem(row, "record.other-judges", "judges", f"are not those that {suite.id} pins")
    if record.base_digest not in (None, suite.base.digest):
        yield _problem(row, "record.other-base", "base_digest", f"is not that of the base which {suite.id} pins")
    yield from _undeclared_controls(row, root)
    submission = _load_submission(root, record.suite, record.submission)
    if task is None or submission is None:
        return
    checkpoint = submission.checkpoints.get(record.task)
    if checkpoint is None:
        value, consequence = f"submission {record.submission!r}", f"has no checkpoint for {record.task}, so it is unknown what was measured"
        yield _problem(row, "record.no-checkpoint", value, consequence, "add it to the submission's file, or remove the record")
        return
    for name, digest in spec_digests(suite, task, submission).items():
        if getattr(record.checkpoint, name) != digest:
            yield _problem(row, "record.other-specs", name, f"is not that of today's file under version {suite.version}")
    if {record.checkpoint.format, checkpoint.format} & UNREAD_FORMATS and record.checkpoint.format != checkpoint.format:
        yield _problem(row, "record.other-format", f"checkpoint.format {record.checkpoint.format!r}", "is not what the submission declares")
    if record.inference != checkpoint.inference:
        consequence = "is not the rule that the submission declares"
        yield _problem(row, "record.other-rule", "inference", consequence)
    must_pin = record.verification.status == "rerun" and checkpoint.format != ORIGINAL_FORMAT
    if (checkpoint.sha256 or must_pin) and checkpoint.sha256 != record.checkpoint.sha256:
        consequence = "is of other weights than the submission pins"
        yield _problem(row, "record.other-weights", "checkpoint.sha256", consequence, "pin them, and run the pinned checkpoint again")


def _control_problems(row: ResultRow, group: dict[str, Record], root: DataRoot) -> Iterator[Problem]:
    """Controls that are no golds of the task, or whose record is missing or was replaced since."""
    remedy = "rescore it, or restore the control's record"
    task = _load_task(root, row.record.suite, row.record.task)
    golds = task.golds if task else ()
    for name, digest in sorted(row.record.controls.items()):
        if name == row.record.submission or not (name in golds or is_gold_name(name)):
            consequence = "is no other gold of the task, so nothing may be compared with it"
            yield _problem(row, "record.no-gold", f"control {name}", consequence)
        elif name not in group:
            yield _problem(row, "record.missing-control", f"control {name}", "is missing, so the scores cannot be recomputed", remedy)
        elif group[name].measured_digest != digest:
            yield _problem(row, "record.replaced-control", f"control {name}", "was replaced after this record was scored", remedy)


def _undeclared_controls(row: ResultRow, root: DataRoot) -> Iterator[Problem]:
    """A record of today's version under a control's name that the suite does not declare, or of other weights."""
    record, controls = row.record, load_controls(root, row.record.suite)
    if controls is None or not is_control_name(record.submission):
        return
    declared = controls.controls.get(record.submission)
    if declared is None:
        consequence, remedy = "is no control of the suite, and the names are reserved for them", "rename the submission and run it"
        yield _problem(row, "record.undeclared-control", f"submission {record.submission!r}", consequence, remedy)
    elif declared.get(record.task) not in (None, record.checkpoint.sha256):
        yield _problem(row, "record.other-weights", "the checkpoint", "is not the control that the suite declares", "run it again")


def _mixture_problems(rows: Iterable[ResultRow]) -> Iterator[Problem]:
    """Records of one table that were measured with different specs or judges."""
    first: dict[GroupKey, ResultRow] = {}
    for row in rows:
        other = first.setdefault(_group_key(row.record), row)
        if settings := difference(other.record, row.record):
            value, consequence = f"beside {other.path}", f"was measured with {settings}"
            yield _problem(row, "record.mixed-settings", value, consequence, "run the older one again")


def _group_key(record: Record) -> GroupKey:
    return record.suite, record.suite_version, record.task, record.protocol, record.tier


def _gold_key(record: Record) -> GroupKey:
    """The group that holds the golds which a record was compared with."""
    tier = REFERENCE_TIER if record.tier == VERDICT else record.tier
    return record.suite, record.suite_version, record.task, record.protocol, tier


@cache
def _load_suite(root: DataRoot, name: str) -> Suite | None:
    try:
        return load_suite(root, name)
    except (UnconcealError, OSError):
        return None


@cache
def _load_task(root: DataRoot, suite: str, task: str) -> Task | None:
    try:
        return load_task(root, f"{suite}:{task}")
    except (UnconcealError, OSError):
        return None


@cache
def _load_submission(root: DataRoot, suite: str, name: str) -> Submission | None:
    """Today's file; None if it is missing or wrong, because a record outlives it."""
    if (suite, name) not in {(suite_name, submission) for suite_name, submission, _ in submission_files(root)}:
        return None
    try:
        return load_submission(root, f"{suite}/{name}")
    except (UnconcealError, OSError):
        return None
