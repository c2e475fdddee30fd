"""Published numbers of others. They are cited with their source and never ranked with measured ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from unconceal.specs.loader import load_all, read_yaml
from unconceal.specs.spec import Mistake, Spec

FOLDER = "reported"
"""Folder below a results folder; one file per source."""


class Source(Spec):
    """Source of the numbers. ``location``: table or figure; ``note``: how to read them."""

    arxiv: str | None = Field(None, pattern=r"^\d{4}\.\d{4,5}$")
    title: str = Field(min_length=1)
    location: str = Field(min_length=1)
    url: str = Field(pattern=r"^https://")
    note: str = ""


class ReportedRow(Spec):
    """One prompt of one method. Scores are named as in the source; None: not given."""

    method: str = Field(min_length=1)
    target: str = Field(min_length=1)
    split: Literal["forget", "retain"]
    prompt: str = Field(min_length=1)
    ccs: float | None = None
    crs: float | None = None
    kid_original: float | None = None
    kid_unlearned: float | None = None


class ReportedScore(Spec):
    """One score of one model in any evaluation, with its interval and number of samples if the source gives them."""

    model: str = Field(min_length=1)
    evaluation: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = Field(None, ge=0)
    lower_is_better: bool


class Reported(Spec):
    """One source with its rows, or with scores of other evaluations."""

    source: Source
    rows: tuple[ReportedRow, ...] = ()
    scores: tuple[ReportedScore, ...] = ()

    def mistakes(self) -> Iterable[Mistake]:
        """A source without any number."""
        if not self.rows and not self.scores:
            yield Mistake("reported.empty", ("rows",), "rows and scores", "are both empty, so nothing is reported", "give one of them")


def load_reported(folders: tuple[Path, ...]) -> tuple[Reported, ...]:
    """All sources below the results folders, by file name; a file of an earlier folder replaces those of the same name.

    Raises:
        SpecProblems: a file is invalid.
    """
    files: dict[str, tuple[Path, Path]] = {}
    for folder in folders:
        for path in sorted((folder / FOLDER).glob("*.yaml")):
            files.setdefault(path.name, (path, folder))
    return load_all(partial(read_yaml, path, Reported, inside=folder) for path, folder in files.values())
