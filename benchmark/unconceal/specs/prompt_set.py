"""Prompts of a published data set by reference: where repeating them would do harm, or their license forbids it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from unconceal.specs.spec import COMMIT, Count, Mistake, Repo, Revision, Spec

TABLE_SUFFIXES = (".csv",)


class RowFilter(Spec):
    """Which rows count: those whose ``column`` contains a text, or holds at least a number."""

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
    """A data set on the Hub at a commit: the first ``count`` different texts of ``column`` in the rows for which all of ``where`` holds."""

    dataset: Repo
    revision: Revision
    file: str = Field(min_length=1)
    column: str = "prompt"
    where: tuple[RowFilter, ...] = ()
    n_prompts: Count
    license: str = Field(min_length=1)

    @property
    def is_draft(self) -> bool:
        """Whether its revision may move."""
        return not COMMIT.fullmatch(self.revision)

    def mistakes(self) -> Iterator[Mistake]:
        if not self.file.endswith(TABLE_SUFFIXES) or self.file.startswith("/") or ".." in self.file.split("/"):
            remedy = f"name a table of the data set that ends in {', '.join(TABLE_SUFFIXES)}"
            yield Mistake("dataset.unknown-format", ("file",), repr(self.file), "is no table that is read", remedy)

    def select(self, rows: Iterable[Mapping[str, str]]) -> list[str]:
        """The prompts, in the table's order."""
        found: dict[str, None] = {}
        for row in rows:
            text = " ".join(row.get(self.column, "").split())
            if text and all(condition.matches(row) for condition in self.where):
                found.setdefault(text)
            if len(found) == self.n_prompts:
                break
        return list(found)
