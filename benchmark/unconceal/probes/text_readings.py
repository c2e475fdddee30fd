"""The ways a text can be read, and its words in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from unconceal.probes.lookalikes import SOUNDS
from unconceal.probes.text_normalization import Folded, fold, is_invisible

Script = Literal["plain", "gaps", "leet", "sound"]
"""As a reader sees it; with invisible characters as spaces; with digits and symbols as letters; Cyrillic and Greek by their sound."""

IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts without spaces: each character is a word."""

WORD = re.compile(rf"[{IDEOGRAPHS}]|[^\W_{IDEOGRAPHS}]+")
LEET_WORD = re.compile(r"[^\W_]+(?:[!|+*]+[^\W_]+)*")

LEET = str.maketrans("0123456789$@€£¢©®i#%?•●█", "olzeasgtbgsaelccrl******")
"""Each to the letter it stands for, or to ``*``, which stands for any. i and l are one letter here, for 1 is both."""

INNER = str.maketrans("!|+", "llt")
"""Symbols that are letters between letters only: at a word's end they are punctuation."""

MARKS = frozenset("0123456789$@€£¢©®#%?•●█!|+*")
MASK = "*"


class Word(NamedTuple):
    """``letters`` stand at ``start:end`` of the reading."""

    letters: str
    start: int
    end: int


class Reading(NamedTuple):
    """One text read by one script: its words in order, and the folded letters behind them."""

    script: Script
    original: str
    folded: Folded
    words: list[Word]

    def between(self, left: int, right: int) -> str:
        """What stands between two words, by their numbers."""
        return self.folded.letters[self.words[left].end : self.words[right].start]

    def shown(self, first: int, last: int) -> str:
        """The folded letters of some words and of what is between them."""
        return self.folded.letters[self.words[first].start : self.words[last].end]

    def slice(self, first: int, last: int) -> slice:
        """Where in the original some words stand."""
        return slice(*self.folded.span(self.words[first].start, self.words[last].end, self.original))

    def is_enclitic(self, number: int) -> bool:
        """Whether a word hangs on the one before by an apostrophe: the s of it's."""
        start = self.words[number].start
        return start > 1 and self.folded.letters[start - 1] in "'’" and self.folded.letters[start - 2].isalnum()


def read(text: str, script: Script) -> Reading:
    """A text's words by one script."""
    folded = fold(text, sound=script == "sound", gap=" " if script == "gaps" else "")
    if script == "leet":
        found = LEET_WORD.finditer(folded.letters.translate(LEET))
        return Reading(script, text, folded, [Word(word[0].translate(INNER), *word.span()) for word in found])
    return Reading(script, text, folded, [Word(word[0], *word.span()) for word in WORD.finditer(folded.letters)])


def readings(text: str) -> Iterator[Reading]:
    """The plain reading, and those others that differ from it."""
    plain = read(text, "plain")
    yield plain
    characters = set(text)
    if any(map(is_invisible, characters)):
        yield read(text, "gaps")
    if not MARKS.isdisjoint(plain.folded.letters):
        yield read(text, "leet")
    if not SOUNDS.keys().isdisjoint("".join(characters).casefold()):
        yield read(text, "sound")
