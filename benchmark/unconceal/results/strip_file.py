"""The image strip beside a record: a WebP file of tiles, one column per ψ. No torch."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unconceal.errors import CheckFailed
from unconceal.results.image_files import STRIP, open_image

ROWS = ("prompt", "empty", "clean")
"""Rows of a prompt: both arms, and θ's clean-image prediction x̂0 at the handover (blank at ψ = 0)."""
TILE_SIZES, QUALITIES = (128, 96, 64, 48, 32), (85, 75, 60, 45)
"""Tried in this order until the file is small enough: edge of a tile in pixels, then WebP quality."""
MAX_STRIP_BYTES = 60_000
"""Of a strip beside a record."""
MAX_SIDE = 16_383
"""Pixels of a WebP file's side."""
DESCRIPTION = 0x010E
"""EXIF tag ImageDescription: holds the strip's metadata as JSON."""


@dataclass(frozen=True)
class Strip:
    """A decoded strip file.

    Attributes:
        prompts: the prompts shown, from top to bottom; each has one row of tiles per entry of :data:`ROWS`.
        seeds: one seed per prompt.
        tile: edge of a tile in pixels.
        image: RGB, ``len(ROWS) · n_prompts · tile`` high and ``n_psi · tile`` wide.
    """

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    tile: int
    image: Image.Image

    @property
    def n_rows(self) -> int:
        return len(ROWS) * len(self.prompts)

    def row_index(self, prompt: str, seed: int, kind: str) -> int | None:
        """Index of the row of tiles for a prompt, a seed and a kind of :data:`ROWS`; None if the strip lacks the prompt."""
        pairs = list(zip(self.prompts, self.seeds, strict=True))
        return len(ROWS) * pairs.index((prompt, seed)) + ROWS.index(kind) if (prompt, seed) in pairs else None


def strip_path(record_path: Path) -> Path:
    """The path of the strip beside a record."""
    return record_path.with_suffix(STRIP.suffix)


def encode_strip(
    image: Image.Image, prompts: tuple[str, ...], seeds: tuple[int, ...], tile: int, max_bytes: int = MAX_STRIP_BYTES
) -> bytes:
    """Encodes a strip as WebP, smaller and coarser where it must be.

    Args:
        image: RGB tiles of ``tile`` pixels, see :class:`Strip`.
        prompts: the prompts shown.
        seeds: one seed per prompt.
        tile: edge of a tile in pixels.
        max_bytes: of the file, unless the smallest and coarsest has more.
    """
    content = b""
    for edge in dict.fromkeys(min(tile, size) for size in TILE_SIZES):
        if max(image.size) * edge / tile > MAX_SIDE and edge > TILE_SIZES[-1]:
            continue
        scaled = image if edge == tile else _scaled(image, edge / tile)
        for quality in QUALITIES:
            content = _encoded(scaled, quality, {"prompts": prompts, "seeds": seeds, "tile": edge})
            if len(content) <= max_bytes:
                return content
    return content


def read_strip(path: Path, n_columns: int) -> Strip | None:
    """Reads a strip file; None if there is none.

    Args:
        path: the strip file.
        n_columns: the number of ψ values of its record.

    Raises:
        CheckFailed: the file is not an image, lacks its metadata, or does not have ``n_columns`` columns.
    """
    if not os.path.lexists(path):
        return None
    opened = open_image(path, STRIP)
    try:
        metadata = json.loads(opened.getexif()[DESCRIPTION])
        image = opened.convert("RGB")
        strip = Strip(tuple(map(str, metadata["prompts"])), tuple(map(int, metadata["seeds"])), int(metadata["tile"]), image)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            "strip.unreadable", str(path), f"is not an image strip ({type(error).__name__})", "run the evaluation again"
        ) from error
    if len(strip.seeds) != len(strip.prompts) or image.size != (n_columns * strip.tile, strip.n_rows * strip.tile):
        raise CheckFailed("strip.mismatch", str(path), "does not fit its record's ψ values and prompts", "run the evaluation again")
    return strip


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, quality: int, metadata: dict[str, Any]) -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[DESCRIPTION] = json.dumps(metadata)
    image.save(buffer, STRIP.format, quality=quality, method=6, exif=exif.tobytes())
    return buffer.getvalue()
