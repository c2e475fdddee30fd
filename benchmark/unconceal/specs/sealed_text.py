"""The text of a sealed file: two lines, of which the first is what its digest covers. So reading needs no serialization to check it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from unconceal.specs.canonical_json import finite_canonical_json

LINES = b",\n"
"""Between the lines; canonical JSON has no line breaks."""


def sealed_text(content: dict[str, Any], unsealed: dict[str, Any]) -> bytes:
    """One JSON object in two lines, both canonical: what is sealed, and what is not."""
    return finite_canonical_json(content)[:-1] + LINES + finite_canonical_json(unsealed)[1:] + b"\n"


def is_sealed_text(text: bytes, digest: str, unsealed: set[str]) -> bool:
    """Whether a text is as :func:`sealed_text` writes it, its first line has this digest, and its second only ``unsealed`` keys.

    False for another layout of the same values, which says nothing about them.
    """
    first, _, second = text.partition(LINES)
    if hashlib.sha256(first + b"}").hexdigest() != digest:
        return False
    try:
        keys = set(json.loads(b"{" + second))
    except ValueError:
        return False
    return keys <= unsealed
