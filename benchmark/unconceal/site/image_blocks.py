"""The image strips of a result page: per prompt one row of tiles for each model and arm, cut out of the strip files by CSS."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from unconceal.errors import CheckFailed
from unconceal.files import path_below
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.results.strip_file import ROWS, Strip, read_strip
from unconceal.site.control_curves import original_of, other_golds
from unconceal.specs.record import Record

CLEAN = "clean"
MIME_TYPES = {".webp": "image/webp", ".jpg": "image/jpeg"}


FullStrip = Callable[[ResultRow], Path | None]
"""Draws a record's strip of all prompts, or gives None."""


def no_strip(row: ResultRow) -> None:
    """No strip of all prompts: those beside the records are shown."""


class ImageStore(Protocol):
    """Makes an image file available to pages."""

    def strip(self, row: ResultRow) -> Path:
        """The strip file of a record."""
        ...

    def url(self, path: Path, name: str) -> str:
        """A URL for a page in a suite's folder. ``name``: a path for the file, unique within the site."""
        ...


@dataclass(frozen=True)
class CopiedImages:
    """Copies images below the site's folder, each once.

    Attributes:
        out: the site's folder.
        full_strip: draws a record's strip of all prompts, or gives None.
        copied: names of the files copied so far.
    """

    out: Path
    full_strip: FullStrip = no_strip
    copied: set[str] = field(default_factory=set)

    def strip(self, row: ResultRow) -> Path:
        return self.full_strip(row) or row.strip

    def url(self, path: Path, name: str) -> str:
        if name not in self.copied:
            shutil.copyfile(path, path_below(self.out, f"images/{name}"), follow_symlinks=False)
            self.copied.add(name)
        return quote(f"../images/{name}")


class InlineImages:
    """Images as data URIs, for a page that is a single file."""

    def strip(self, row: ResultRow) -> Path:
        return row.strip

    def url(self, path: Path, name: str) -> str:
        return f"data:{MIME_TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"


@dataclass(frozen=True)
class StripImage:
    """A strip of one model. ``role``: original, gold or own."""

    role: str
    row: ResultRow
    strip: Strip
    url: str


@dataclass(frozen=True)
class TileRow:
    """One row of tiles in a strip: the model's role and name, the row's index, and the strip's size in tiles."""

    role: str
    name: str
    index: int
    n_rows: int
    n_columns: int


@dataclass(frozen=True)
class PromptBlock:
    """All rows of tiles for one prompt. ``arms``: per arm one row for each model; ``clean``: x̂0, the same for every model."""

    prompt: str
    seed: int
    arms: dict[str, tuple[TileRow, ...]]
    clean: tuple[TileRow, ...]


@dataclass(frozen=True)
class StripView:
    """The strips of one task. ``urls``: by role; ``message``: what is wrong with a strip file, empty if nothing is."""

    psi: tuple[float, ...] = ()
    urls: dict[str, str] | None = None
    blocks: tuple[PromptBlock, ...] = ()
    message: str = ""


def strip_columns(record: Record) -> tuple[float, ...]:
    """ψ of a strip's columns: those of the presence curve on forget prompts."""
    return next((curve.psi for curve in record.curves if curve.name == "presence" and curve.split == "forget"), ())


def image_name(row: ResultRow) -> str:
    """A strip's path within a site, without suffix."""
    record = row.record
    return f"{record.suite}-{record.suite_version}/{record.task}/{record.submission}.{record.protocol}-{record.tier}"


def strip_view(table: ResultTable, row: ResultRow, images: ImageStore) -> StripView:
    """The strips of the original, of one gold and of the row itself, as far as they show the same prompts at the same ψ."""
    psi = strip_columns(row.record)
    models = [("original", original_of(table, row)), *(("gold", gold) for gold in other_golds(table, row)[:1]), ("own", row)]
    strips = []
    try:
        for role, model in models:
            if model is None or (role != "own" and strip_columns(model.record) != psi):
                continue
            path = images.strip(model)
            strip = read_strip(path, len(psi))
            if strip is not None:
                strips.append(StripImage(role, model, strip, images.url(path, image_name(model) + path.suffix)))
    except CheckFailed as error:
        return StripView(psi, message=page_message(error))
    if not strips or strips[-1].role != "own":
        return StripView(psi)
    own = strips[-1].strip
    blocks = tuple(_block(prompt, seed, strips, len(psi)) for prompt, seed in zip(own.prompts, own.seeds, strict=True))
    return StripView(psi, {image.role: image.url for image in strips}, blocks)


def page_message(error: CheckFailed) -> str:
    """An error about a file on a page, which does not show where the file lies on the machine that wrote it."""
    return f"{Path(error.value).name}: {error.consequence}; {error.remedy}"


def _block(prompt: str, seed: int, strips: list[StripImage], n_columns: int) -> PromptBlock:
    rows = {kind: tuple(_rows(prompt, seed, kind, strips, n_columns)) for kind in ROWS}
    clean = rows.pop(CLEAN)[:1]
    return PromptBlock(prompt, seed, rows, clean)


def _rows(prompt: str, seed: int, kind: str, strips: list[StripImage], n_columns: int) -> list[TileRow]:
    rows = []
    for image in strips:
        index = image.strip.row_index(prompt, seed, kind)
        if index is not None:
            rows.append(TileRow(image.role, image.row.record.submission, index, image.strip.n_rows, n_columns))
    return rows
