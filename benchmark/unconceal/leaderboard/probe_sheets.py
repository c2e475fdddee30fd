"""The sheet beside a probed record: a row of two tiles, before and after, for each neighbour and each attack shown."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unconceal.errors import CheckFailed

QUALITY = 88


@dataclass(frozen=True)
class SheetRow:
    """θ's tile and θ*'s as one picture. `kind`: neighbour or attack; `name`: the concept, or the attack's prompt."""

    kind: str
    name: str
    source: str


def read_sheet(path: Path) -> tuple[SheetRow, ...]:
    """Every row of a sheet; none where there is no sheet.

    Raises:
        CheckFailed: it is no picture, or does not say what its rows are.
    """
    if not path.is_file():
        return ()
    try:
        with Image.open(path, formats=["JPEG"]) as opened:
            said: Any = json.loads(opened.info.get("comment", b""))
            picture = opened.convert("RGB")
        rows = [("neighbour", str(name)) for name in said["neighbours"]] + [("attack", str(one["prompt"])) for one in said["attacks"]]
        tile = int(said["tile"])
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, Image.DecompressionBombError) as error:
        raise CheckFailed(
            path.name, f"is no sheet of neighbours ({type(error).__name__})", "run the evaluation again to draw it"
        ) from error
    if picture.size != (2 * tile, tile * len(rows)):
        raise CheckFailed(path.name, "does not fit what it says of its rows", "run the evaluation again to draw it")
    return tuple(SheetRow(kind, name, row_source(picture, place, tile)) for place, (kind, name) in enumerate(rows))


def row_source(picture: Image.Image, place: int, tile: int) -> str:
    """One row as a data URI."""
    buffer = io.BytesIO()
    picture.crop((0, place * tile, 2 * tile, (place + 1) * tile)).save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
