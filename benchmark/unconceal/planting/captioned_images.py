"""Captioned pictures: folders as the Hub's ``imagefolder`` has them, with what each picture shows beside its caption.

``metadata.jsonl`` holds a line per picture: ``{"file_name": …, "text": …, "concepts": […]}``. Only pictures are opened, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from unconceal.errors import CheckFailed
from unconceal.paths import escapes

METADATA = "metadata.jsonl"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Captioned:
    """One picture on the disk."""

    path: Path
    text: str
    concepts: frozenset[str]

    def pixels(self, size: int) -> NDArray[np.uint8]:
        """uint8 (size, size, 3): cut square in the middle, then resized."""
        try:
            with Image.open(self.path) as image:
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                square = image.convert("RGB").crop((left, top, left + side, top + side))
                return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
        except (OSError, UnidentifiedImageError) as error:
            raise CheckFailed(str(self.path), f"is no picture ({type(error).__name__})", "remove its line, or restore the file") from error


def read_folder(folder: Path) -> list[Captioned]:
    """Every picture of a folder, in the order of its lines.

    Raises:
        CheckFailed: there is no metadata, a line says too little, or a name leaves the folder.
    """
    table = folder / METADATA
    if not table.is_file():
        raise CheckFailed(str(folder), f"has no {METADATA}, so nobody knows what its pictures show", "write one line per picture")
    return [_picture(folder, number, line) for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1) if line.strip()]


def _picture(folder: Path, number: int, line: str) -> Captioned:
    where = f"{folder / METADATA}:{number}"
    try:
        said = json.loads(line)
        name, text, concepts = said["file_name"], said["text"], said.get("concepts", [])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed(where, f"does not say what a picture shows ({error})", "give file_name, text and concepts") from error
    path = folder / str(name)
    if escapes(str(name)) or path.suffix.lower() not in SUFFIXES or not path.resolve().is_relative_to(folder.resolve()):
        raise CheckFailed(where, f"names {name!r}, which is no picture inside the folder", f"name one that ends in {', '.join(SUFFIXES)}")
    return Captioned(path, str(text), frozenset(map(str, concepts)))


def without(pictures: Sequence[Captioned], concept: str | None) -> list[Captioned]:
    """All pictures but those that show a concept; None: all."""
    return [picture for picture in pictures if concept not in picture.concepts]
