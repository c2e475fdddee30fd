"""The records under `results/`, grouped into boards: what may stand in one table."""

from __future__ import annotations

import multiprocessing
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unconceal.errors import CheckFailed
from unconceal.evaluation.environment import usable_cores
from unconceal.results.strip_file import strip_path
from unconceal.specs.record import Record, read_record
from unconceal.specs.sweep import FOLDER as SWEEPS

SUITE_FOLDER = re.compile(r"^(?P<suite>[a-z0-9][a-z0-9.-]*)-(?P<version>\d+)$")
TIERS = ("full", "lite")
PARALLEL_THRESHOLD = 400
"""Records from which on several processes read: checking a digest takes some milliseconds."""
Reader = Callable[[Path], Record]


@dataclass(frozen=True)
class ResultRow:
    """A record and where it lies. ``per_prompt``: its primary score prompt by prompt, where the record came without its curves."""

    record: Record
    path: Path
    per_prompt: tuple[float, ...] = ()

    @property
    def strip(self) -> Path:
        """The image strip beside the record; may be missing."""
        return strip_path(self.path)

    @property
    def is_control(self) -> bool:
        return self.record.submission.startswith("control-")

    @property
    def is_gold(self) -> bool:
        return self.record.submission.startswith("control-gold-")


@dataclass(frozen=True)
class ResultTable:
    """Records that may be compared: one suite version, task, protocol and tier."""

    suite: str
    version: int
    task: str
    protocol: str
    tier: str
    rows: tuple[ResultRow, ...]
    cache: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was worked out of the rows already, by whoever did."""

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
    """Every record file below a folder, in a fixed order; unfinished (hidden) files are left out, and sweeps, which are no records."""
    found = sorted(folder.rglob("*.json"))
    return (path for path in found if not path.name.startswith(".") and path.relative_to(folder).parts[0] != SWEEPS)


def suite_versions(folders: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """(suite, version) of everything that has results, newest version first within a suite."""
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    found = {(match["suite"], int(match["version"])) for name in names if (match := SUITE_FOLDER.match(name))}
    return tuple(sorted(found, key=lambda pair: (pair[0], -pair[1])))


def newest_versions(folders: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """The newest version of each suite that has results."""
    newest: dict[str, int] = {}
    for suite, version in suite_versions(folders):
        newest.setdefault(suite, version)
    return tuple(newest.items())


def load_records(
    folders: Sequence[Path], suite: str, version: int, tier: str | None = None, read: Reader = read_record
) -> tuple[ResultRow, ...]:
    """Every record of one suite version, of one tier if named; an earlier folder's record hides a later one's of the same place.

    Raises:
        CheckFailed: a file is no record, was altered, or is of another suite or version.
    """
    places: dict[Path, Path] = {}
    for folder in folders:
        for path in record_paths(folder / f"{suite}-{version}"):
            places.setdefault(path.relative_to(folder), path)
    paths = tuple(places.values())
    stored = tuple(ResultRow(record, path) for record, path in zip(read_records(paths, read), paths, strict=True))
    for row in stored:
        _check_version(row, suite, version)
    return tuple(row for row in stored if tier is None or row.record.tier == tier)


def read_records(paths: Sequence[Path], read: Reader = read_record) -> list[Record]:
    """Records in the order of their paths, by several processes where there are many."""
    if len(paths) < PARALLEL_THRESHOLD or usable_cores() == 1:
        return [read(path) for path in paths]
    with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(read, paths, chunksize=32))


def read_for_ranking(path: Path) -> Record:
    """A record whose digest holds, without the curves that no table needs: a tenth of the memory."""
    record = read_record(path)
    return record.model_copy(update={"curves": tuple(curve for curve in record.curves if (curve.name, curve.split) == RANKING_CURVES)})


RANKING_CURVES = ("presence", "forget")
"""The curves that paired comparisons need."""


def group_rows(rows: Iterable[ResultRow]) -> tuple[ResultTable, ...]:
    """One board per suite version, task, protocol and tier, sorted. Raises CheckFailed for records that do not mix."""
    groups: dict[tuple[str, int, str, str, str], list[ResultRow]] = defaultdict(list)
    for row in rows:
        record = row.record
        groups[record.suite, record.suite_version, record.task, record.protocol, record.tier].append(row)
    for group in groups.values():
        _check_comparable(group)
    return tuple(ResultTable(*key, tuple(groups[key])) for key in sorted(groups))


def select_tiers(boards: Iterable[ResultTable]) -> tuple[ResultTable, ...]:
    """One tier per task: `full` where there is one, else `lite`."""
    best: dict[tuple[str, int, str, str], ResultTable] = {}
    for board in boards:
        key = (board.suite, board.version, board.task, board.protocol)
        if key not in best or _tier_index(board) < _tier_index(best[key]):
            best[key] = board
    return tuple(best.values())


def _tier_index(board: ResultTable) -> int:
    return TIERS.index(board.tier) if board.tier in TIERS else len(TIERS)


def load_all_tables(folders: Sequence[Path], read: Reader = read_record) -> tuple[ResultTable, ...]:
    """Every board of every suite version, all tiers."""
    return _load_tables(folders, suite_versions(folders), read)


def load_newest_tables(folders: Sequence[Path], read: Reader = read_record) -> tuple[ResultTable, ...]:
    """The boards of each suite's newest version, one tier per task: what is ranked and published."""
    return select_tiers(_load_tables(folders, newest_versions(folders), read))


def _load_tables(folders: Sequence[Path], versions: Iterable[tuple[str, int]], read: Reader) -> tuple[ResultTable, ...]:
    return tuple(board for suite, version in versions for board in group_rows(load_records(folders, suite, version, read=read)))


def _check_version(row: ResultRow, suite: str, version: int) -> None:
    record = row.record
    if (record.suite, record.suite_version) != (suite, version):
        raise CheckFailed(
            "table.other-suite",
            f"{row.path.name} is of {record.suite}-{record.suite_version}",
            f"it lies among the records of {suite}-{version} and versions are never mixed",
            "move it to its own folder, or run `unconceal results check` for all such records",
        )


def _check_comparable(group: list[ResultRow]) -> None:
    """Same suite file, task file and judges for every row, and each submission once."""
    first = group[0].record
    seen: set[str] = set()
    for row in group:
        if why := difference(first, row.record):
            raise CheckFailed(
                "record.mixed-settings",
                f"{row.path.name} and {group[0].path.name}",
                f"they were measured under {why} and can't stand in one table",
                "run the older one again",
            )
        if row.record.submission in seen:
            raise CheckFailed(
                "table.duplicate-row",
                f"{row.path.name} is a second record of {row.record.submission}",
                "a row would stand twice",
                "remove one",
            )
        seen.add(row.record.submission)


def difference(one: Record, other: Record) -> str:
    """What keeps two records of one task from being compared; empty if nothing does."""
    if one.checkpoint.suite_digest != other.checkpoint.suite_digest:
        return "different suite files"
    if one.checkpoint.task_digest != other.checkpoint.task_digest:
        return "different task files"
    changed = sorted(name for name in one.judges.keys() & other.judges.keys() if one.judges[name] != other.judges[name])
    return f"different judges ({', '.join(changed)})" if changed else ""
