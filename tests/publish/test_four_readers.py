"""Every number of every published table comes back through the four readers that users have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow.parquet as pq
import pytest

from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.publish.arrow_schemas import TABLES
from unconceal.publish.dataset_tables import build_tables, parquet_name, write_parquet

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the suite's own results, as they are published."""
    out = tmp_path_factory.mktemp("out")
    for config, table in build_tables(DataRoot.find(SOURCE_TREE)).items():
        path = out / parquet_name(config)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(table, path)
    return out


def with_datasets(path: Path) -> Rows:
    from datasets import Dataset

    return [dict(row) for row in Dataset.from_parquet(str(path), cache_dir=str(path.parent / "cache"))]


def with_pandas(path: Path) -> Rows:
    return [{str(name): value for name, value in row.items()} for row in pandas.read_parquet(path).to_dict("records")]


def with_polars(path: Path) -> Rows:
    return polars.read_parquet(path).to_dicts()


def with_duckdb(path: Path) -> Rows:
    import duckdb

    relation = duckdb.read_parquet(str(path))
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def numbers(value: Any) -> Iterator[float | None]:
    """Every number of a value of any nesting, in order; None where one is missing."""
    if isinstance(value, Mapping):
        for _, item in sorted(value.items()):
            yield from numbers(item)
    elif isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return
    else:
        yield None if math.isnan(value) else float(value)


def measured(rows: Rows) -> list[float]:
    """Every number that is there: readers differ in how they say that one is missing."""
    return [number for row in rows for number in numbers(row) if number is not None]


@pytest.mark.parametrize("read", [with_datasets, with_pandas, with_polars, with_duckdb])
@pytest.mark.parametrize("config", TABLES)
def test_every_number_comes_back(folder: Path, config: str, read: Callable[[Path], Rows]) -> None:
    path = folder / parquet_name(config)
    expected = measured(pq.read_table(path).to_pylist())
    assert measured(read(path)) == expected


def test_there_are_numbers(folder: Path) -> None:
    counts = {config: len(measured(pq.read_table(folder / parquet_name(config)).to_pylist())) for config in TABLES}
    assert all(count for config, count in counts.items() if config != "submissions") and sum(counts.values()) > 800_000
