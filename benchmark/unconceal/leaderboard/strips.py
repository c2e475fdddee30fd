"""The ψ strip beside a record: tiles in rows (prompt; arms and x̂0), one column per ψ."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unconceal.errors import CheckFailed

CHUNK = "unconceal"
ROWS = ("prompt", "empty", "clean")
"""Rows of a prompt: the two arms, and x̂0(ψ), θ's clean-image prediction at the last step it ran (blank at ψ = 0)."""
SHARPEST_TILE = 128
"""Larger tiles are shrunk to this many pixels, so that a page stays a few megabytes."""


@dataclass(frozen=True)
class Strip:
    """Pictures (3·prompts rows of `tile` pixels, one column per ψ) and what they show."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    tile: int
    picture: Image.Image

    def find(self, prompt: str, seed: int) -> int | None:
        """The place of a prompt with a seed, or None."""
        pairs = list(zip(self.prompts, self.seeds, strict=True))
        return pairs.index((prompt, seed)) if (prompt, seed) in pairs else None

    def row(self, place: int, kind: str) -> str:
        """One row of tiles as a data URI."""
        top = (len(ROWS) * place + ROWS.index(kind)) * self.tile
        row = self.picture.crop((0, top, self.picture.width, top + self.tile))
        return _data_uri(row, self.tile)


def read_strip(path: Path, columns: int) -> Strip | None:
    """The strip at a path; None if there is none.

    Raises:
        CheckFailed: it is no picture, says not what it shows, or does not have `columns` columns.
    """
    if not path.is_file():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as opened:
            said = json.loads(opened.info.get(CHUNK, ""))
            strip = Strip(tuple(map(str, said["prompts"])), tuple(map(int, said["seeds"])), int(said["tile"]), opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, Image.DecompressionBombError) as error:
        raise CheckFailed(path.name, f"is no ψ strip ({type(error).__name__})", "run the evaluation again to draw it") from error
    rows = len(ROWS) * len(strip.prompts)
    if len(strip.seeds) != len(strip.prompts) or strip.picture.size != (columns * strip.tile, rows * strip.tile):
        raise CheckFailed(path.name, "does not fit its record's ψ values and prompts", "run the evaluation again to draw it")
    return strip


def _data_uri(row: Image.Image, tile: int) -> str:
    """PNG as it is; tiles over the limit are shrunk and become JPEG."""
    buffer, kind = io.BytesIO(), "png"
    if tile > SHARPEST_TILE:
        kind = "jpeg"
        row = row.resize((row.width * SHARPEST_TILE // tile, SHARPEST_TILE), Image.Resampling.LANCZOS)
        row.save(buffer, "JPEG", quality=88)
    else:
        row.save(buffer, "PNG", optimize=True)
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}"
