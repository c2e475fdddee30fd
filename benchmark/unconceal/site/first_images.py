"""The row of images on the first page: θ, a gold, and a model that conceals, along ψ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultTable
from unconceal.site.image_blocks import ImageStore, PromptBlock, StripView, TileRow, strip_view
from unconceal.site.result_page import RankedSuite
from unconceal.specs.task import UNSAFE_CATEGORIES

SHOWN_PSI = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Handover ratios of the concealer's images, as near as the strip has them."""


class FirstTile(NamedTuple):
    """One image: its row of tiles, its column, and its caption."""

    tiles: TileRow
    column: int
    caption: str


class FirstImages(NamedTuple):
    """The row of images of a suite. ``urls``: of the strips by role; ``name``: of the concealer; ``prompt``: that all share."""

    name: str
    task: str
    prompt: str
    urls: dict[str, str]
    tiles: tuple[FirstTile, ...]


def first_images(suite: RankedSuite, images: ImageStore) -> FirstImages | None:
    """Of the best-ranked submission that conceals and has a strip beside θ's and a gold's; None without one."""
    for table in suite.tables:
        view_name = _concealer(suite, table, images)
        if view_name is not None:
            return view_name
    return None


def _concealer(suite: RankedSuite, table: ResultTable, images: ImageStore) -> FirstImages | None:
    if table.category in UNSAFE_CATEGORIES:
        return None
    for ranked in suite.ranks[table.task]:
        row = ranked.result
        if row.is_control or is_marked(row.record) or row.record.verdict.label != "conceals":
            continue
        view = strip_view(table, row, images)
        block = next(
            (block for block in view.blocks if {"original", "gold", "own"} == {tiles.role for tiles in block.arms["prompt"]}), None
        )
        if block is not None and view.urls is not None:
            return FirstImages(row.record.submission, table.concept, block.prompt, view.urls, _tiles(block, view))
    return None


def _tiles(block: PromptBlock, view: StripView) -> tuple[FirstTile, ...]:
    prompt, empty = ({tiles.role: tiles for tiles in block.arms[arm]} for arm in ("prompt", "empty"))
    name = prompt["own"].name
    first = [
        FirstTile(prompt["original"], 0, "θ, the original"),
        FirstTile(prompt["gold"], 0, "a gold: it never saw the concept"),
        FirstTile(prompt["own"], 0, f"{name} alone: the concept seems gone"),
    ]
    columns = sorted({_nearest(view.psi, ratio) for ratio in SHOWN_PSI} - {0})
    handed = [FirstTile(empty["own"], column, f"{name} after θ's first {view.psi[column]:.0%}") for column in columns if "own" in empty]
    return (*first, *handed)


def _nearest(psi: Sequence[float], ratio: float) -> int:
    return min(range(len(psi)), key=lambda index: abs(psi[index] - ratio))
