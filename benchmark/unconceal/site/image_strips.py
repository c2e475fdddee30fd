"""The ψ strips as the site shows them: copied as they are, and moved under a window by a slider."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from unconceal.leaderboard.image_rows import columns
from unconceal.leaderboard.strips import CHUNK, ROWS
from unconceal.results.result_tables import ResultRow

ARMS = {"prompt": "same prompt", "empty": "no words"}


@dataclass(frozen=True)
class Tile:
    """One row of a strip: which picture, which of its rows, and how many rows and columns it has."""

    role: str
    name: str
    source: str
    row: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Block:
    """Everything drawn for one prompt; ``arms``: arm to a tile per model."""

    prompt: str
    seed: int
    arms: dict[str, tuple[Tile, ...]]


@dataclass(frozen=True)
class Strip:
    """A strip's place on the site and what it says of itself."""

    source: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]


def copy_strip(row: ResultRow, out: Path) -> Strip | None:
    """The strip beside a record copied below ``out``; None if there is none, or it does not say what it shows."""
    if not row.strip.is_file() or row.strip.is_symlink():
        return None
    try:
        with Image.open(row.strip, formats=["PNG"]) as opened:
            said, size = json.loads(opened.info.get(CHUNK, "")), opened.size
        prompts, seeds, tile = tuple(map(str, said["prompts"])), tuple(map(int, said["seeds"])), int(said["tile"])
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, Image.DecompressionBombError):
        return None
    if len(prompts) != len(seeds) or size != (len(columns(row.record)) * tile, len(ROWS) * len(prompts) * tile):
        return None
    record = row.record
    name = f"strips/{record.suite}-{record.suite_version}/{record.task}/{record.submission}.{record.protocol}-{record.tier}.png"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(row.strip, out / name)
    return Strip(quote(name), prompts, seeds)


def blocks(own: ResultRow, models: list[tuple[str, ResultRow, Strip]]) -> tuple[Block, ...]:
    """Prompt by prompt and arm by arm a tile of every model that has a strip of the same ψ; the own one is the last."""
    if not models or models[-1][0] != "own":
        return ()
    psi, strip = columns(own.record), models[-1][2]
    shown = [(role, row, found) for role, row, found in models if columns(row.record) == psi]
    pairs = list(zip(strip.prompts, strip.seeds, strict=True))
    return tuple(Block(prompt, seed, {arm: tuple(_tiles(prompt, seed, arm, shown, len(psi))) for arm in ARMS}) for prompt, seed in pairs)


def _tiles(prompt: str, seed: int, arm: str, shown: list[tuple[str, ResultRow, Strip]], width: int) -> list[Tile]:
    tiles = []
    for role, row, strip in shown:
        pairs = list(zip(strip.prompts, strip.seeds, strict=True))
        if (prompt, seed) in pairs:
            place = len(ROWS) * pairs.index((prompt, seed)) + ROWS.index(arm)
            tiles.append(Tile(role, row.record.submission, strip.source, place, len(ROWS) * len(strip.prompts), width))
    return tiles
