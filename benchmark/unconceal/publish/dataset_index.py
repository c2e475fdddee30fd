"""Result tables from a published dataset instead of the records, without reading every curve."""

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
from unconceal.publish.dataset_rows import IDENTITY, Row, record_from_rows
from unconceal.publish.dataset_tables import parquet_name
from unconceal.results.result_tables import ResultRow, ResultTable, group_rows, select_tiers
from unconceal.specs.record import Curve, record_path
from unconceal.specs.submission import Submission

Key = tuple[Any, ...]
TABLE_SCORES = frozenset(
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


def load_published_tables(
    folder: Path, results: Path, whole: bool = False, curves: frozenset[str] = frozenset()
) -> tuple[ResultTable, ...]:
    """The tables of each suite's newest version, one tier per task.

    Args:
        folder: a published dataset on this machine.
        results: the results folder that links point to.
        whole: with every score, damage and the battery; else with the scores in tables only.
        curves: names of the curves to read as well, without their per-prompt values.

    Raises:
        CheckFailed: the folder is not a published dataset.
    """
    rows = _newest(_read(folder, "results", RESULTS.names))
    rows = rows if whole else _with_table_scores(rows)
    curves_by_record = _curves(folder, curves) if curves else {}
    damage = _by_record(_newest(_read(folder, "damage")).to_pylist()) if whole else {}
    battery = _by_record(_newest(_read(folder, "battery")).to_pylist()) if whole else {}
    attacks = _by_record(_newest(_read(folder, "attacks")).to_pylist())
    result_rows = []
    for row in rows.to_pylist():
        key = _key(row)
        try:
            record = record_from_rows(row, damage=damage.get(key, []), attacks=attacks.get(key, []), battery=battery.get(key, []))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            value = f"{folder}: the row of {row['submission']} on {row['task']}"
            raise CheckFailed("publish.no-record", value, "is not the row of a record", "publish it again") from error
        path = record_path(results, f"{record.suite}-{record.suite_version}", record.task, record.submission, record.protocol, record.tier)
        record = record.model_copy(update={"curves": curves_by_record.get(key, ())})
        result_rows.append(ResultRow(record, path, tuple(row["per_prompt"])))
    return select_tiers(group_rows(result_rows))


def load_published_submissions(folder: Path) -> dict[str, Submission]:
    """Published submissions by ``suite/name``, which is faster than reading their YAML files."""
    submissions = {}
    for row in _read(folder, "submissions").to_pylist():
        checkpoints = {checkpoint.pop("task"): checkpoint for checkpoint in row.pop("checkpoints")}
        name = row.pop("submission")
        fields = {key: value for key, value in row.items() if key != "control"}
        submissions[f"{row['suite']}/{name}"] = Submission.model_validate({**fields, "name": name, "checkpoints": checkpoints})
    return submissions


def _with_table_scores(rows: pa.Table) -> pa.Table:
    """The rows with the scores in tables only: nine of seventy."""
    column = rows["scores"].combine_chunks()
    flat, parents = column.flatten(), pc.list_parent_indices(column)
    selected = pc.is_in(flat.field("name"), pa.array(sorted(TABLE_SCORES)))
    counts = np.bincount(parents.filter(selected).to_numpy(), minlength=len(rows))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    index = rows.schema.get_field_index("scores")
    return rows.set_column(index, "scores", pa.ListArray.from_arrays(offsets, flat.filter(selected)))


def _read(folder: Path, config: str, columns: list[str] | None = None) -> pa.Table:
    path = folder / parquet_name(config)
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        consequence = f"is not a table of a published dataset ({type(error).__name__})"
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
    curves: dict[Key, list[Curve]] = {}
    for row in table.to_pylist():
        fields: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name not in IDENTITY}
        # Rows have the same schema and there may be hundreds of thousands, so they are not validated again.
        curves.setdefault(_key(row), []).append(Curve.model_construct(per_prompt=(), **fields))
    return {key: tuple(record_curves) for key, record_curves in curves.items()}


def _by_record(rows: list[Row]) -> dict[Key, list[Row]]:
    by_record: dict[Key, list[Row]] = {}
    for row in rows:
        by_record.setdefault(_key(row), []).append(row)
    return by_record


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in IDENTITY)
