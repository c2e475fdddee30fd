"""Boards from a published dataset instead of the records: what ranks, without reading every curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from unconceal.errors import CheckFailed
from unconceal.publish.arrow_schemas import RESULTS
from unconceal.publish.dataset_rows import IDENTITY, Row, record_of
from unconceal.publish.dataset_tables import parquet_name
from unconceal.results.result_tables import ResultRow, ResultTable, group_rows, select_tiers
from unconceal.specs.record import Curve, record_path
from unconceal.specs.submission import Submission

Key = tuple[Any, ...]
TABLED = frozenset(
    {
        "excess",
        "excess.prompt",
        "excess.empty",
        "presence",
        "presence.original",
        "presence.gold",
        "psi_star.prompt",
        "psi_star.empty",
        "retain_drop",
    }
)


def index_boards(folder: Path, results: Path, whole: bool = False, curves: frozenset[str] = frozenset()) -> tuple[ResultTable, ...]:
    """The newest version's boards of each suite, one tier per task.

    Args:
        folder: a published dataset on this machine.
        results: where the records would lie, for links.
        whole: with every score and damage; else with those that tables are made of.
        curves: names of the curves to read as well, without their per-prompt values.

    Raises:
        CheckFailed: it is no such dataset.
    """
    rows = _newest(_read(folder, "results", RESULTS.names))
    rows = rows if whole else _with_few_scores(rows)
    drawn = _curves(folder, curves) if curves else {}
    damage = _by_record(_newest(_read(folder, "damage")).to_pylist()) if whole else {}
    attacks = _by_record(_newest(_read(folder, "attacks")).to_pylist())
    stored = []
    for row in rows.to_pylist():
        key = _key(row)
        try:
            record = record_of(row, damage=damage.get(key, []), attacks=attacks.get(key, []))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            value = f"{folder}: the row of {row['submission']} on {row['task']}"
            raise CheckFailed("publish.no-record", value, "is of no record", "publish it again") from error
        path = record_path(results, f"{record.suite}-{record.suite_version}", record.task, record.submission, record.protocol, record.tier)
        record = record.model_copy(update={"curves": drawn.get(key, ())})
        stored.append(ResultRow(record, path, tuple(row["per_prompt"])))
    return select_tiers(group_rows(stored))


def index_submissions(folder: Path) -> dict[str, Submission]:
    """``suite/name`` to the submission as it was published: no thousand YAML files are read."""
    found = {}
    for row in _read(folder, "submissions").to_pylist():
        checkpoints = {one.pop("task"): one for one in row.pop("checkpoints")}
        name = row.pop("submission")
        fields = {key: value for key, value in row.items() if key != "control"}
        found[f"{row['suite']}/{name}"] = Submission.model_validate({**fields, "name": name, "checkpoints": checkpoints})
    return found


def _with_few_scores(rows: pa.Table) -> pa.Table:
    """The same with those scores only that tables are made of: nine of seventy."""
    column = rows["scores"].combine_chunks()
    flat, parents = column.flatten(), pc.list_parent_indices(column)
    wanted = pc.is_in(flat.field("name"), pa.array(sorted(TABLED)))
    counts = np.bincount(parents.filter(wanted).to_numpy(), minlength=len(rows))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    place = rows.schema.get_field_index("scores")
    return rows.set_column(place, "scores", pa.ListArray.from_arrays(offsets, flat.filter(wanted)))


def _read(folder: Path, config: str, columns: list[str] | None = None) -> pa.Table:
    path = folder / parquet_name(config)
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        consequence = f"is no table of a published dataset ({type(error).__name__})"
        raise CheckFailed("publish.unreadable", str(path), consequence, "make one with `unconceal publish`") from error


def _newest(rows: pa.Table) -> pa.Table:
    """The rows of each suite's newest version."""
    newest = rows.group_by("suite").aggregate([("suite_version", "max")])
    masks = [
        pc.and_(pc.equal(rows["suite"], suite), pc.equal(rows["suite_version"], version))
        for suite, version in zip(newest["suite"].to_pylist(), newest["suite_version_max"].to_pylist(), strict=True)
    ]
    for mask in masks[1:]:
        masks[0] = pc.or_(masks[0], mask)
    return rows.filter(masks[0]) if masks else rows


def _curves(folder: Path, names: frozenset[str]) -> dict[Key, tuple[Curve, ...]]:
    columns = [*IDENTITY, "name", "split", "arm", "extractor", "psi", "k", "value", "low", "high", "n"]
    table = _newest(_read(folder, "curves", columns))
    table = table.filter(pc.is_in(table["name"], pa.array(sorted(names))))
    found: dict[Key, list[Curve]] = {}
    for row in table.to_pylist():
        fields: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name not in IDENTITY}
        # Written by the same schema a moment ago: hundreds of thousands of curves are not validated again.
        found.setdefault(_key(row), []).append(Curve.model_construct(per_prompt=(), **fields))
    return {key: tuple(curves) for key, curves in found.items()}


def _by_record(rows: list[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in IDENTITY)
