"""The image files beside a record. They are a stranger's: regular files of a sane size that decode, or they are not shown."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from unconceal.errors import CheckFailed
from unconceal.files import read_regular_file
from unconceal.specs.record import Record

MAX_IMAGE_BYTES, MAX_PIXELS = 8 * 2**20, 64 * 10**6
"""Limits of an image file; strips have 60 kB and sheets of probes 2 MB."""


class ImageKind(NamedTuple):
    """A kind of image file: its name in the record, its suffix, and its format."""

    name: str
    suffix: str
    format: str


STRIP, SHEET = ImageKind("strip", ".strip.webp", "WEBP"), ImageKind("probes", ".probes.jpg", "JPEG")
KINDS = (STRIP, SHEET)
RUN_AGAIN = "run the evaluation again"


def image_digest(content: bytes) -> str:
    """SHA-256 of a file, as records state it."""
    return hashlib.sha256(content).hexdigest()


def open_image(path: Path, kind: ImageKind) -> Image.Image:
    """Decode an image file completely, with its metadata.

    Raises:
        CheckFailed: it is a link or no regular file, too large, or no image of that format.
    """
    try:
        image = Image.open(io.BytesIO(read_regular_file(path, MAX_IMAGE_BYTES, follow_links=False)), formats=[kind.format])
        if image.width * image.height > MAX_PIXELS:
            raise CheckFailed("image.too-large", path.name, f"has {image.width} × {image.height} pixels, so it is not shown", RUN_AGAIN)
        image.load()
    except OSError as error:
        reason = error.strerror or "it cannot be decoded"
        raise CheckFailed("image.unreadable", path.name, f"is no {kind.format} image: {reason}", RUN_AGAIN) from error
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CheckFailed("image.unreadable", path.name, f"is no {kind.format} image ({type(error).__name__})", RUN_AGAIN) from error
    return image


def image_flaws(record: Record, path: Path) -> Iterator[CheckFailed]:
    """What is wrong with the images beside a record. A missing one is no flaw: the wheel has none."""
    for kind in KINDS:
        file = path.with_suffix(kind.suffix)
        if not os.path.lexists(file):
            continue
        try:
            open_image(file, kind)
        except CheckFailed as error:
            yield error
            continue
        if record.images.get(kind.name, digest := image_digest(file.read_bytes())) != digest:
            yield CheckFailed("image.altered", file.name, "is not the image that the record states by its digest", RUN_AGAIN)
