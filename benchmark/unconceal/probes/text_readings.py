"""Readings of a text: plain, with gaps, leetspeak, by sound; and the words in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from unconceal.probes.lookalikes import SOUNDS
from unconceal.probes.text_normalization import NormalizedText, is_invisible, normalize

Script = Literal["plain", "gaps", "leet", "sound"]
"""plain: by shape. gaps: invisible characters as spaces. leet: digits and symbols as letters. sound: Cyrillic and Greek by sound."""

IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts without spaces: each character is a word."""

WORD = re.compile(rf"[{IDEOGRAPHS}]|[^\W_{IDEOGRAPHS}]+")
LEET_WORD = re.compile(r"[^\W_]+(?:[!|+*]+[^\W_]+)*")

LEET = str.maketrans("0123456789$@€£¢©®i#%?•●█", "olzeasgtbgsaelccrl******")
"""Digits and symbols to letters; ``*`` is any letter. i and l are one letter, since 1 replaces both."""

INNER = str.maketrans("!|+", "llt")
"""Symbols that are letters between letters only: at a word's end they are punctuation."""

MARKS = frozenset("0123456789$@€£¢©®#%?•●█!|+*")
MASK = "*"


class ReadingWord(NamedTuple):
    """``letters`` at ``start:end`` of the reading."""

    letters: str
    start: int
    end: int


class TextReading(NamedTuple):
    """One text by one script: its words in order, and the normalized letters."""

    script: Script
    original: str
    normalized: NormalizedText
    words: list[ReadingWord]

    def between(self, left: int, right: int) -> str:
        """The text between two words, by index."""
        return self.normalized.letters[self.words[left].end : self.words[right].start]

    def letters_between(self, first: int, last: int) -> str:
        """The normalized letters from word ``first`` to word ``last``."""
        return self.normalized.letters[self.words[first].start : self.words[last].end]

    def slice(self, first: int, last: int) -> slice:
        """The slice of the original from word ``first`` to word ``last``."""
        return slice(*self.normalized.span(self.words[first].start, self.words[last].end, self.original))

    def is_enclitic(self, number: int) -> bool:
        """Whether a word follows an apostrophe, like the s of it's."""
        start = self.words[number].start
        return start > 1 and self.normalized.letters[start - 1] in "'’" and self.normalized.letters[start - 2].isalnum()


def read_text(text: str, script: Script) -> TextReading:
    """Read a text by one script."""
    normalized = normalize(text, sound=script == "sound", gap=" " if script == "gaps" else "")
    if script == "leet":
        matches = LEET_WORD.finditer(normalized.letters.translate(LEET))
        return TextReading(script, text, normalized, [ReadingWord(word[0].translate(INNER), *word.span()) for word in matches])
    return TextReading(script, text, normalized, [ReadingWord(word[0], *word.span()) for word in WORD.finditer(normalized.letters)])


def readings(text: str) -> Iterator[TextReading]:
    """The plain reading, and the other readings that differ from it."""
    plain = read_text(text, "plain")
    yield plain
    characters = set(text)
    if any(map(is_invisible, characters)):
        yield read_text(text, "gaps")
    if not MARKS.isdisjoint(plain.normalized.letters):
        yield read_text(text, "leet")
    if not SOUNDS.keys().isdisjoint("".join(characters).casefold()):
        yield read_text(text, "sound")
