"""Normalize text to plain lower-case letters as a reader sees them, each with its index in the original."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from unconceal.probes.lookalikes import LOOKALIKES, SOUNDS

EXPANSION = 4
"""Characters that decompose into more than this stay whole, which bounds the output."""

FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Invisible characters that Unicode calls letters."""

NAMED_LETTER = re.compile(
    r"LATIN (?:SMALL|CAPITAL|EPIGRAPHIC) LETTER (?:DOTLESS |SCRIPT |TURNED |REVERSED |OPEN |LONG |INSULAR |SIDEWAYS |SMALL CAPITAL )*"
    r"(?P<plain>[A-Z])(?: WITH .*)?"
    r"|LATIN LETTER (?:SMALL CAPITAL |REVERSED |INVERTED )+(?P<cap>[A-Z])"
    r"|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER (?P<negative>[A-Z])"
    r"|REGIONAL INDICATOR SYMBOL LETTER (?P<flag>[A-Z])"
)
"""Unicode names that contain the Latin letter a character is drawn after."""


class NormalizedText(NamedTuple):
    """``letters[k]`` is what the original's character ``at[k]`` shows; marks and invisible characters have no letter."""

    letters: str
    source_indices: list[int]

    def span(self, start: int, end: int, original: str) -> tuple[int, int]:
        """The original's slice behind non-empty ``letters[start:end]``, including combining marks on the last letter."""
        last = self.source_indices[end - 1] + 1
        while last < len(original) and unicodedata.category(original[last]).startswith("M"):
            last += 1
        return self.source_indices[start], last


def normalize(original: str, *, sound: bool = False, gap: str = "") -> NormalizedText:
    """Letters by shape or, with ``sound``, Cyrillic and Greek letters by sound. ``gap`` replaces invisible characters."""
    transcribe = latin_sound if sound else latin_lookalike
    letters: list[str] = []
    source_indices: list[int] = []
    for index, character in enumerate(original):
        replacement = character.lower() if character.isascii() and character.isprintable() else transcribe(character)
        replacement = replacement or (gap if is_invisible(character) else "")
        letters.append(replacement)
        source_indices.extend([index] * len(replacement))
    return NormalizedText("".join(letters), source_indices)


@lru_cache(maxsize=1 << 14)
def latin_lookalike(character: str) -> str:
    """The Latin letters a character looks like, by NFKD, table or Unicode name; "" for marks and invisible characters."""
    return LOOKALIKES.get(character) or "".join(_to_latin(part, LOOKALIKES) for part in _parts(character))


@lru_cache(maxsize=1 << 14)
def latin_sound(character: str) -> str:
    """The Latin letters a Cyrillic or Greek character sounds like; else as it looks."""
    return "".join(SOUNDS[part] if (part := piece.casefold()) in SOUNDS else _to_latin(piece, LOOKALIKES) for piece in _parts(character))


@lru_cache(maxsize=1 << 14)
def is_invisible(character: str) -> bool:
    """Zero-width characters, soft hyphens, direction marks, controls and fillers; not combining marks, which are visible."""
    return character in FILLERS or (unicodedata.category(character) in {"Cf", "Cc"} and not character.isspace())


def _parts(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return parts if len(parts) <= EXPANSION else character


def _to_latin(character: str, table: dict[str, str]) -> str:
    if is_invisible(character) or unicodedata.category(character).startswith("M"):
        return ""
    small = character.casefold()
    replacement = table.get(character) or table.get(small)
    if replacement is not None or character.isascii():
        return replacement or small
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    letter = NAMED_LETTER.fullmatch(unicodedata.name(character, ""))
    return next(filter(None, letter.groups())).lower() if letter else small
