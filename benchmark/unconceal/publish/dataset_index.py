"""Result tables from a published dataset instead of the records, without reading every curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from unconceal.errors import CheckFailed
from unconceal.publish.arrow_schemas import RESULTS
from unconceal.publish.dataset_rows import IDENTITY, Row, from_text, record_from_rows
from unconceal.publish.published_records import of_versions, published_versions, read_table
from unconceal.results.result_tables import ResultRow, ResultTable, SuiteVersion, group_rows, select_tiers, selected_versions
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
    folder: Path,
    results: Path,
    whole: bool = False,
    curves: frozenset[str] = frozenset(),
    versions: Sequence[SuiteVersion] | None = None,
) -> tuple[ResultTable, ...]:
    """The tables of suite versions, one tier per task.

    Args:
        folder: a published dataset on this machine.
        results: the results folder that links point to.
        whole: with every score, damage and the battery; else with the scores in tables only.
        curves: names of the curves to read as well, without their per-prompt values.
        versions: the suite versions; None: the newest of each suite.

    Raises:
        CheckFailed: the folder is not a published dataset.
    """
    chosen = list(selected_versions(published_versions(folder)) if versions is None else versions)
    rows = of_versions(read_table(folder, "results", RESULTS.names), chosen)
    rows = rows if whole else _with_table_scores(rows)
    curves_by_record = _curves(folder, curves, chosen) if curves else {}
    damage = _by_record(of_versions(read_table(folder, "damage"), chosen).to_pylist()) if whole else {}
    battery = _by_record(of_versions(read_table(folder, "battery"), chosen).to_pylist()) if whole else {}
    attacks = _by_record(of_versions(read_table(folder, "attacks"), chosen).to_pylist())
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
        result_rows.append(ResultRow(record, path, tuple(row["per_prompt"]), row["record_id"]))
    return select_tiers(group_rows(result_rows))


def load_published_submissions(folder: Path) -> dict[str, Submission]:
    """Published submissions by ``suite/name``, which is faster than reading their YAML files."""
    submissions = {}
    for row in read_table(folder, "submissions").to_pylist():
        checkpoints = {item.pop("task"): item | {"inference": from_text(item["inference"])} for item in row.pop("checkpoints")}
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


def _curves(folder: Path, names: frozenset[str], versions: list[SuiteVersion]) -> dict[Key, tuple[Curve, ...]]:
    columns = [*IDENTITY, "name", "split", "arm", "extractor", "psi", "k", "value", "low", "high", "n"]
    table = of_versions(read_table(folder, "curves", columns), versions)
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
