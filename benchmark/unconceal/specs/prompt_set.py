"""References to prompts of a published dataset, used where the prompts are harmful or their license forbids copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pydantic import Field

from unconceal.specs.spec import COMMIT, Count, Mistake, Repo, Revision, Spec

TABLE_SUFFIXES = (".csv",)


class RowFilter(Spec):
    """Selects rows whose ``column`` contains a text, or is at least a number."""

    column: str = Field(min_length=1)
    contains: str | None = None
    min_value: float | None = None

    def mistakes(self) -> Iterator[Mistake]:
        if (self.contains is None) == (self.min_value is None):
            yield Mistake(
                "dataset.bad-condition",
                ("column",),
                f"condition on {self.column!r}",
                "asks for nothing, or for two things",
                "give contains or at_least",
            )

    def matches(self, row: Mapping[str, str]) -> bool:
        value = row.get(self.column, "")
        if self.contains is not None:
            return self.contains.lower() in value.lower()
        try:
            return float(value) >= (self.min_value or 0.0)
        except ValueError:
            return False


class PromptSet(Spec):
    """The first ``n_prompts`` distinct texts of ``column`` in a dataset on the Hub, in rows that match every filter of ``where``."""

    dataset: Repo
    revision: Revision
    file: str = Field(min_length=1)
    column: str = "prompt"
    where: tuple[RowFilter, ...] = ()
    n_prompts: Count
    license: str = Field(min_length=1)

    @property
    def is_draft(self) -> bool:
        """Whether the revision is no commit."""
        return not COMMIT.fullmatch(self.revision)

    def mistakes(self) -> Iterator[Mistake]:
        if not self.file.endswith(TABLE_SUFFIXES) or self.file.startswith("/") or ".." in self.file.split("/"):
            remedy = f"name a table of the data set that ends in {', '.join(TABLE_SUFFIXES)}"
            yield Mistake("dataset.unknown-format", ("file",), repr(self.file), "is no table that is read", remedy)

    def select(self, rows: Iterable[Mapping[str, str]]) -> list[str]:
        """The prompts, in the order of the table."""
        return list(islice(self._matching(rows), self.n_prompts))

    def reserve(self, rows: Iterable[Mapping[str, str]]) -> list[str]:
        """Further prompts that match, which the task does not use."""
        return list(islice(self._matching(rows), self.n_prompts, None))

    def _matching(self, rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
        """Distinct texts of rows that match every filter."""
        seen: set[str] = set()
        for row in rows:
            text = " ".join(row.get(self.column, "").split())
            if text and text not in seen and all(row_filter.matches(row) for row_filter in self.where):
                seen.add(text)
                yield text
