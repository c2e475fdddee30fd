"""Whole records from a published dataset: a folder, or a tag of a dataset on the Hub."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from unconceal.errors import CheckFailed, UsageError
from unconceal.publish.arrow_schemas import TABLES
from unconceal.publish.dataset_rows import IDENTITY, Row, record_from_rows
from unconceal.publish.dataset_tables import parquet_name
from unconceal.results.result_tables import SuiteVersion
from unconceal.specs.record import Record

HUB = re.compile(r"hub:(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)@(?P<tag>[A-Za-z0-9][\w.-]*)")
CONFIGS = ("results", "curves", "battery", "damage", "attacks")
Key = tuple[object, ...]


def published_folder(source: str) -> Path:
    """The folder of a published version: ``hub:owner/name@tag`` is downloaded, anything else is a folder.

    Raises:
        UsageError: the source is neither.
        EnvironmentFault: the Hub cannot be reached.
        CheckFailed: the Hub has no such dataset or tag.
    """
    if Path(source).is_dir():
        return Path(source)
    reference = HUB.fullmatch(source)
    if reference is None:
        value, remedy = f"source {source!r}", 'use "local", "hub:owner/name@tag", or the folder of a published version'
        raise UsageError("results.unknown-source", value, "is neither a folder nor a tag of a dataset", remedy)
    from huggingface_hub import snapshot_download

    from unconceal.hub.hub_client import translate_errors

    files = [parquet_name(config) for config in TABLES]
    with translate_errors(f"dataset {source.removeprefix('hub:')}"):
        return Path(snapshot_download(reference["repo"], repo_type="dataset", revision=reference["tag"], allow_patterns=files))


def published_versions(folder: Path) -> tuple[SuiteVersion, ...]:
    """(suite, version) of everything that is published, newest version first within a suite."""
    rows = read_table(folder, "results", ["suite", "suite_version"]).to_pylist()
    return tuple(sorted({(row["suite"], row["suite_version"]) for row in rows}, key=lambda pair: (pair[0], -pair[1])))


def read_published_records(folder: Path, suite: str, version: int) -> Iterator[Record]:
    """Every record of one suite version, each checked against its digest.

    Raises:
        CheckFailed: the folder is not a published dataset, or a row is not that of a sealed record.
    """
    rows = {config: _by_record(of_versions(read_table(folder, config), [(suite, version)])) for config in CONFIGS}
    for key, (result,) in rows["results"].items():
        value = f"{folder}: the row of {result['submission']} on {result['task']}"
        try:
            record = record_from_rows(result, *(rows[config][key] for config in ("curves", "damage", "attacks", "battery")))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            raise CheckFailed("publish.no-record", value, "is not the row of a record", "download the version again") from error
        if record.digest != record.computed_digest():
            raise CheckFailed("record.altered", value, "does not match its own digest", "download the version again")
        yield record


def read_table(folder: Path, config: str, columns: list[str] | None = None) -> pa.Table:
    """One table of a published version.

    Raises:
        CheckFailed: it is missing or no Parquet file.
    """
    path = folder / parquet_name(config)
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        consequence = f"is not a table of a published dataset ({type(error).__name__})"
        raise CheckFailed("publish.unreadable", str(path), consequence, "make one with `unconceal publish`") from error


def of_versions(rows: pa.Table, versions: list[SuiteVersion]) -> pa.Table:
    """The rows of the given suite versions."""
    mask = pa.scalar(False)
    for suite, version in versions:
        mask = pc.or_(mask, pc.and_(pc.equal(rows["suite"], suite), pc.equal(rows["suite_version"], version)))
    return rows.filter(mask) if versions else rows.slice(0, 0)


def _by_record(rows: pa.Table) -> dict[Key, list[Row]]:
    by_record: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows.to_pylist():
        by_record[tuple(row[name] for name in IDENTITY)].append(row)
    return by_record
