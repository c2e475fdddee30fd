"""A text as its reader sees it: plain small letters, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from unconceal.probes.lookalikes import LOOKALIKES, SOUNDS

EXPANSION = 4
"""A character that decomposes into more than this is kept whole, so that no text grows without bound."""

FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by category that show nothing."""

NAMED_LETTER = re.compile(
    r"LATIN (?:SMALL|CAPITAL|EPIGRAPHIC) LETTER (?:DOTLESS |SCRIPT |TURNED |REVERSED |OPEN |LONG |INSULAR |SIDEWAYS |SMALL CAPITAL )*"
    r"(?P<plain>[A-Z])(?: WITH .*)?"
    r"|LATIN LETTER (?:SMALL CAPITAL |REVERSED |INVERTED )+(?P<cap>[A-Z])"
    r"|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER (?P<negative>[A-Z])"
    r"|REGIONAL INDICATOR SYMBOL LETTER (?P<flag>[A-Z])"
)
"""Unicode names that say which Latin letter a character is drawn after."""


class Folded(NamedTuple):
    """``letters[k]`` is what the original's character ``at[k]`` shows; marks and invisible characters have no letter."""

    letters: str
    at: list[int]

    def span(self, start: int, end: int, original: str) -> tuple[int, int]:
        """The original's slice behind ``letters[start:end]`` (not empty), with the marks on its last letter."""
        last = self.at[end - 1] + 1
        while last < len(original) and unicodedata.category(original[last]).startswith("M"):
            last += 1
        return self.at[start], last


def fold(original: str, *, sound: bool = False, gap: str = "") -> Folded:
    """The letters a reader sees, by shape or, with ``sound``, Cyrillic and Greek by sound; ``gap`` stands for the invisible."""
    read = sounds_like if sound else looks_like
    letters: list[str] = []
    at: list[int] = []
    for place, character in enumerate(original):
        shown = character.lower() if character.isascii() and character.isprintable() else read(character)
        shown = shown or (gap if is_invisible(character) else "")
        letters.append(shown)
        at.extend([place] * len(shown))
    return Folded("".join(letters), at)


@lru_cache(maxsize=1 << 14)
def looks_like(character: str) -> str:
    """The plain letters one character looks like: NFKD, then the table, then the Unicode name; "" for marks and the invisible."""
    return LOOKALIKES.get(character) or "".join(_plain(part, LOOKALIKES) for part in _parts(character))


@lru_cache(maxsize=1 << 14)
def sounds_like(character: str) -> str:
    """The letters a Cyrillic or Greek character sounds like; else what it looks like."""
    return "".join(SOUNDS[part] if (part := piece.casefold()) in SOUNDS else _plain(piece, LOOKALIKES) for piece in _parts(character))


@lru_cache(maxsize=1 << 14)
def is_invisible(character: str) -> bool:
    """Zero-width, soft hyphen, direction marks, controls and fillers; no combining marks, which show."""
    return character in FILLERS or (unicodedata.category(character) in {"Cf", "Cc"} and not character.isspace())


def _parts(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return parts if len(parts) <= EXPANSION else character


def _plain(character: str, table: dict[str, str]) -> str:
    if is_invisible(character) or unicodedata.category(character).startswith("M"):
        return ""
    small = character.casefold()
    shown = table.get(character) or table.get(small)
    if shown is not None or character.isascii():
        return shown or small
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    letter = NAMED_LETTER.fullmatch(unicodedata.name(character, ""))
    return next(filter(None, letter.groups())).lower() if letter else small
