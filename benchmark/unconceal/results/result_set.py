"""A selection of records for analysis: typed rows, and data frames of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from unconceal.errors import EnvironmentFault
from unconceal.results.flat_rows import FlatRow, flat_row
from unconceal.specs.record import Record

if TYPE_CHECKING:
    import pandas
    import polars


class Results(Sequence[Record]):
    """Records of one version of each suite, sorted by suite, task and submission.

    A sequence of :class:`unconceal.specs.record.Record`. The frames have one row per record, with the columns of the CSV export.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(sorted(records, key=_sort_key))

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Record | Results:
        return Results(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Results) and self._records == other._records

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        versions = sorted({f"{record.suite}-{record.suite_version}" for record in self})
        return f"Results({len(self)} records of {', '.join(versions) or 'no suite'})"

    def rows(self) -> list[FlatRow]:
        """One flat row per record; every row has the same columns, None where a record has no such score."""
        rows = [flat_row(record, record.measured_digest) for record in self]
        columns = dict.fromkeys(name for row in rows for name in row)
        return [{name: row.get(name) for name in columns} for row in rows]

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas data frame."""
        import pandas

        return pandas.DataFrame(self.rows())

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars data frame.

        Raises:
            EnvironmentFault: polars is not installed.
        """
        try:
            import polars
        except ImportError as error:
            value, consequence = "package polars", "is not installed, so there are no frames of it"
            raise EnvironmentFault("environment.missing-package", value, consequence, "pip install polars, or use to_pandas()") from error
        return polars.from_dicts(self.rows(), infer_schema_length=None)


def _sort_key(record: Record) -> tuple[str, ...]:
    return record.suite, record.task, record.submission, record.protocol, record.tier
