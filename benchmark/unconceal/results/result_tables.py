"""The records under `results/`, grouped into tables of comparable records."""

from __future__ import annotations

import multiprocessing
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unconceal.errors import CheckFailed, UsageError
from unconceal.results.strip_file import strip_path
from unconceal.specs.record import Record, read_record
from unconceal.specs.submission import is_control_name, is_gold_name
from unconceal.specs.suite import VERDICT
from unconceal.specs.sweep import FOLDER as SWEEPS

SUITE_FOLDER = re.compile(r"^(?P<suite>[a-z0-9][a-z0-9.-]*)-(?P<version>\d+)$")
TIERS = ("full", "audit", "quick")
PARALLEL_THRESHOLD = 400
"""Number of records from which several processes read them: checking a digest takes milliseconds."""
Reader = Callable[[Path], Record]
SuiteVersion = tuple[str, int]


@dataclass(frozen=True)
class ResultRow:
    """A record and its path.

    Attributes:
        per_prompt: its primary score per prompt, if the record came without its curves.
        stored_id: its measured digest, if the record came without its curves.
    """

    record: Record
    path: Path
    per_prompt: tuple[float, ...] = ()
    stored_id: str = ""

    @property
    def record_id(self) -> str:
        """The measured digest, which citations name: marks and new verdicts do not change it."""
        return self.stored_id or self.record.measured_digest

    @property
    def strip(self) -> Path:
        """The image strip beside the record; may be missing."""
        return strip_path(self.path)

    @property
    def is_control(self) -> bool:
        return is_control_name(self.record.submission)

    @property
    def is_gold(self) -> bool:
        return is_gold_name(self.record.submission)


@dataclass(frozen=True)
class ResultTable:
    """Comparable records: one suite version, task, protocol and tier."""

    suite: str
    version: int
    task: str
    protocol: str
    tier: str
    rows: tuple[ResultRow, ...]
    cache: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """Values computed from the rows, by key."""

    @property
    def suite_id(self) -> str:
        return f"{self.suite}-{self.version}"

    @property
    def category(self) -> str:
        return self.task.partition("/")[0]

    @property
    def concept(self) -> str:
        return self.task.partition("/")[2]

    @property
    def golds(self) -> tuple[ResultRow, ...]:
        return tuple(row for row in self.rows if row.is_gold)

    def find(self, submission: str) -> ResultRow | None:
        """The row of one submission, or None."""
        return next((row for row in self.rows if row.record.submission == submission), None)


def record_paths(folder: Path) -> Iterator[Path]:
    """Every record file below a folder, sorted; without unfinished (hidden) files and sweeps, which are not records."""
    paths = sorted(folder.rglob("*.json"))
    return (path for path in paths if not path.name.startswith(".") and path.relative_to(folder).parts[0] != SWEEPS)


def suite_versions(folders: Sequence[Path]) -> tuple[SuiteVersion, ...]:
    """(suite, version) of everything that has results, newest version first within a suite."""
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    versions = {(match["suite"], int(match["version"])) for name in names if (match := SUITE_FOLDER.match(name))}
    return tuple(sorted(versions, key=lambda pair: (pair[0], -pair[1])))


def selected_versions(existing: Sequence[SuiteVersion], suite: str | None = None, version: int | None = None) -> tuple[SuiteVersion, ...]:
    """The newest version of each suite that has results, or of one suite the newest or the given one.

    Args:
        existing: versions that have results, see :func:`suite_versions`.
        suite: None: every suite.
        version: None: the newest.

    Raises:
        UsageError: the suite or the version has no results, or a version is given without a suite that it could be of.
    """
    versions = [pair for pair in existing if suite in (None, pair[0]) and version in (None, pair[1])]
    suites = sorted({name for name, _ in versions})
    if version is not None and len(suites) > 1:
        value, consequence = f"version {version}", f"is one of several suites ({', '.join(suites)})"
        raise UsageError("results.no-suite", value, consequence, "name the suite too")
    if not versions and (suite, version) != (None, None):
        value = f"{suite or 'any suite'}{'' if version is None else f', version {version}'}"
        known = ", ".join(f"{name}-{number}" for name, number in existing) or "none"
        raise UsageError("results.unknown-version", value, "has no results", f"name one of: {known}")
    return tuple({name: (name, number) for name, number in reversed(versions)}.values())


def load_records(
    folders: Sequence[Path], suite: str, version: int, tier: str | None = None, read: Reader = read_record, workers: int = 1
) -> tuple[ResultRow, ...]:
    """Every record of one suite version, of one tier if given; a record in an earlier folder hides that of the same path in a later one.

    Args:
        folders: results folders.
        suite: the suite's name.
        version: the suite's version.
        tier: None: all.
        read: reads one file.
        workers: processes, see :func:`read_records`.

    Raises:
        CheckFailed: a file is not a record, was altered, or is of another suite or version.
    """
    by_location: dict[Path, Path] = {}
    for folder in folders:
        for path in record_paths(folder / f"{suite}-{version}"):
            by_location.setdefault(path.relative_to(folder), path)
    paths = tuple(by_location.values())
    rows = tuple(ResultRow(record, path) for record, path in zip(read_records(paths, read, workers), paths, strict=True))
    for row in rows:
        _check_version(row, suite, version)
    return tuple(row for row in rows if tier is None or row.record.tier == tier)


def read_records(paths: Sequence[Path], read: Reader = read_record, workers: int = 1) -> list[Record]:
    """Records in the order of their paths.

    Args:
        paths: files of records.
        read: reads one file.
        workers: processes that read many records. More than one only from a program whose main module has a guard
            (``if __name__ == "__main__"``), because each imports it.
    """
    if len(paths) < PARALLEL_THRESHOLD or workers == 1:
        return [read(path) for path in paths]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(read, paths, chunksize=32))


def read_for_ranking(path: Path) -> Record:
    """A checked record without the curves that tables do not need, which take nine tenths of the memory."""
    record = read_record(path)
    return record.model_copy(update={"curves": tuple(curve for curve in record.curves if (curve.name, curve.split) == RANKING_CURVES)})


RANKING_CURVES = ("presence", "forget")
"""The curves that paired comparisons need."""


def group_rows(rows: Iterable[ResultRow]) -> tuple[ResultTable, ...]:
    """One table per suite version, task, protocol and tier, sorted.

    Raises:
        CheckFailed: records of one table were measured differently, or a submission occurs twice.
    """
    groups: dict[tuple[str, int, str, str, str], list[ResultRow]] = defaultdict(list)
    for row in rows:
        record = row.record
        groups[record.suite, record.suite_version, record.task, record.protocol, record.tier].append(row)
    for group in groups.values():
        _check_comparable(group)
    return tuple(ResultTable(*key, tuple(groups[key])) for key in sorted(groups))


def select_tiers(tables: Iterable[ResultTable]) -> tuple[ResultTable, ...]:
    """One tier per task: `full` if there is one, else `quick`. Rows of the sequential tier stop early and are never ranked."""
    best: dict[tuple[str, int, str, str], ResultTable] = {}
    for table in tables:
        if table.tier == VERDICT:
            continue
        key = (table.suite, table.version, table.task, table.protocol)
        if key not in best or _tier_index(table) < _tier_index(best[key]):
            best[key] = table
    return tuple(best.values())


def _tier_index(table: ResultTable) -> int:
    return TIERS.index(table.tier) if table.tier in TIERS else len(TIERS)


def load_all_tables(folders: Sequence[Path], read: Reader = read_record, workers: int = 1) -> tuple[ResultTable, ...]:
    """Every table of every suite version, all tiers."""
    return _load_tables(folders, suite_versions(folders), read, workers)


def load_newest_tables(folders: Sequence[Path], read: Reader = read_record, workers: int = 1) -> tuple[ResultTable, ...]:
    """The tables of each suite's newest version, one tier per task: what is ranked and published."""
    return load_version_tables(folders, selected_versions(suite_versions(folders)), read, workers)


def load_version_tables(
    folders: Sequence[Path], versions: Iterable[SuiteVersion], read: Reader = read_record, workers: int = 1
) -> tuple[ResultTable, ...]:
    """The tables of the given suite versions, one tier per task."""
    return select_tiers(_load_tables(folders, versions, read, workers))


def _load_tables(folders: Sequence[Path], versions: Iterable[SuiteVersion], read: Reader, workers: int) -> tuple[ResultTable, ...]:
    return tuple(
        table for suite, version in versions for table in group_rows(load_records(folders, suite, version, read=read, workers=workers))
    )


def _check_version(row: ResultRow, suite: str, version: int) -> None:
    record = row.record
    if (record.suite, record.suite_version) != (suite, version):
        raise CheckFailed(
            "table.other-suite",
            f"{row.path} is of {record.suite}-{record.suite_version}",
            f"it is among the records of {suite}-{version}, and versions are never mixed",
            "move it to its own folder, or run `unconceal results check` for all such records",
        )
    if record.fresh is not None:
        consequence = "is a fresh re-run; rows have the suite's prompts"
        raise CheckFailed("table.fresh-rerun", f"{row.path}, {record.task}", consequence, "move it out of the results folder")


def _check_comparable(group: list[ResultRow]) -> None:
    """Same suite file, task file and judges for every row, and each submission once."""
    first = group[0].record
    submissions: set[str] = set()
    for row in group:
        if settings := difference(first, row.record):
            raise CheckFailed(
                "record.mixed-settings",
                f"{row.path} and {group[0].path}",
                f"they were measured with {settings} and cannot be in one table",
                "run the older one again",
            )
        if row.record.submission in submissions:
            raise CheckFailed(
                "table.duplicate-row",
                f"{row.path} is a second record of {row.record.submission} on {row.record.task}",
                "a row would occur twice",
                "remove one",
            )
        submissions.add(row.record.submission)


def difference(record: Record, other: Record) -> str:
    """Why two records of one task cannot be compared; empty if they can."""
    if record.checkpoint.suite_digest != other.checkpoint.suite_digest:
        return "different suite files"
    if record.checkpoint.task_digest != other.checkpoint.task_digest:
        return "different task files"
    if record.fresh != other.fresh:
        return "different fresh prompts, seeds and ψ"
    if record.truncated_prompts != other.truncated_prompts and (record.probe_results is None) == (other.probe_results is None):
        return "different counts of prompts that were cut"
    changed = sorted(name for name in record.judges.keys() & other.judges.keys() if record.judges[name] != other.judges[name])
    return f"different judges ({', '.join(changed)})" if changed else ""
