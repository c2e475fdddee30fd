"""Captioned images in folders of the Hub's ``imagefolder`` format, with the concepts that each image shows.

``metadata.jsonl`` has one line per image: ``{"file_name": …, "text": …, "concepts": […]}``. Only images are opened.
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
class CaptionedImage:
    """One image file.

    Attributes:
        path: the file.
        text: its caption.
        concepts: concepts that it shows.
    """

    path: Path
    text: str
    concepts: frozenset[str]

    def pixels(self, size: int) -> NDArray[np.uint8]:
        """Center-cropped and resized pixels, uint8 (size, size, 3)."""
        try:
            with Image.open(self.path) as image:
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                square = image.convert("RGB").crop((left, top, left + side, top + side))
                return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
        except (OSError, UnidentifiedImageError) as error:
            raise CheckFailed(
                "images.unreadable",
                str(self.path),
                f"is no readable image ({type(error).__name__})",
                "remove its line, or restore the file",
            ) from error


def read_folder(folder: Path) -> list[CaptionedImage]:
    """Every image of a folder, in the order of the metadata.

    Raises:
        CheckFailed: metadata is missing or incomplete, or a file name leads outside the folder.
    """
    metadata = folder / METADATA
    if not metadata.is_file():
        raise CheckFailed(
            "images.no-metadata", str(folder), f"has no {METADATA}, so its images have no captions", "write one line per image"
        )
    return [
        _parse_line(folder, number, line)
        for number, line in enumerate(metadata.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]


def _parse_line(folder: Path, number: int, line: str) -> CaptionedImage:
    location = f"{folder / METADATA}:{number}"
    try:
        fields = json.loads(line)
        name, text, concepts = fields["file_name"], fields["text"], fields.get("concepts", [])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed(
            "images.bad-metadata", location, f"does not describe an image ({error})", "give file_name, text and concepts"
        ) from error
    path = folder / str(name)
    if escapes(str(name)) or path.suffix.lower() not in SUFFIXES or not path.resolve().is_relative_to(folder.resolve()):
        raise CheckFailed(
            "images.bad-metadata",
            location,
            f"names {name!r}, which is no image file inside the folder",
            f"name one that ends in {', '.join(SUFFIXES)}",
        )
    return CaptionedImage(path, str(text), frozenset(map(str, concepts)))


def excluding(images: Sequence[CaptionedImage], concept: str | None) -> list[CaptionedImage]:
    """Images that do not show ``concept``; all images if it is None."""
    return [image for image in images if concept not in image.concepts]
