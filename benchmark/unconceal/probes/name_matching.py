"""Names among the words of one reading, first the undistorted, then the distorted."""

from __future__ import annotations

import re
from typing import NamedTuple

from unconceal.probes.common_words import FUNCTION_WORDS, is_ordinary
from unconceal.probes.edit_distance import letter_set, squeezed, stretches, unmasks, within
from unconceal.probes.lexicon import Form, How, Lexicon, Target
from unconceal.probes.text_readings import MARKS, MASK, Reading

STRENGTH: tuple[How, ...] = ("exact", "inflected", "joined", "reversed", "split")
"""Of two forms at one place the stronger counts, then the longer."""

CLAUSE = re.compile(r"[,;:!?()\[\]{}\"\n]|\.\s")
"""What keeps two pieces of words apart, unless all pieces are single letters."""

LEAST_NEAR = 4
"""Shorter words are nobody's misspelling."""


class Match(NamedTuple):
    """The words ``first`` to ``last`` name ``name``."""

    first: int
    last: int
    name: str
    how: How


class Matcher:
    """Looks for the names of one lexicon in one reading; remembers the words it has already held against the names."""

    def __init__(self, reading: Reading, names: Lexicon) -> None:
        self.reading, self.names = reading, names
        self.words = [word.letters for word in reading.words]
        self.longest = max(map(len, names.targets), default=0) + 2
        self.seen: dict[str, dict[str, How]] = {}
        self.windows: dict[tuple[Form, tuple[str, ...]], bool] = {}

    def first(self) -> Match | None:
        """The leftmost match."""
        for number in range(len(self.words)):
            match = self._undistorted(number) or self._distorted(number)
            if match:
                return match
        return None

    def _undistorted(self, first: int) -> Match | None:
        joined = ""
        cuts: list[int] = []
        found: list[Match] = []
        for last in range(first, len(self.words)):
            joined += self.words[last]
            if joined not in self.names.prefixes:
                break
            for form in self.names.forms.get(joined, ()):
                how = self._written(form, tuple(cuts), first, last)
                if how and self._counts(first, last):
                    found.append(Match(first, last, form.name, how))
            cuts.append(len(joined))
        return min(found, key=lambda match: (STRENGTH.index(match.how), -match.last), default=None)

    def _written(self, form: Form, cuts: tuple[int, ...], first: int, last: int) -> How | None:
        """How a form is written that has its letters in these words: its own cuts, fewer, or others."""
        if form.how == "reversed":
            return None if self._all_ordinary(first, last) else "reversed"
        if cuts == form.cuts:
            return form.how
        if set(cuts) < set(form.cuts):
            return "joined"
        return "split" if self._is_one_word(first, last) else None

    def _is_one_word(self, first: int, last: int) -> bool:
        """Whether pieces belong together: spelt out letter by letter; or cut within a clause, and no common English."""
        pieces = self.words[first : last + 1]
        if all(len(piece) == 1 for piece in pieces):
            return len(pieces) > 2
        gaps = [self.reading.between(number, number + 1) for number in range(first, last)]
        apart = any(CLAUSE.search(gap) for gap in gaps) or self.reading.is_enclitic(first)
        spaced = all(gap.isspace() for gap in gaps)
        common = spaced and all(map(is_ordinary, pieces)) and not FUNCTION_WORDS.isdisjoint(pieces)
        return not apart and not common and sum(map(len, pieces)) >= LEAST_NEAR

    def _all_ordinary(self, first: int, last: int) -> bool:
        """Common words in their own letters: rats, not the same word turned upside down."""
        original = self.reading.original[self.reading.slice(first, last)]
        return original.isascii() and all(map(is_ordinary, self.words[first : last + 1]))

    def _distorted(self, first: int) -> Match | None:
        near = self._near(self.words[first])
        for target, how in near.items():
            for form in self.names.near.get(target, ()):
                if how != "reversed" and self._counts(first, first):
                    return Match(first, first, form.name, how)
        for opening in (self.words[first], *near):
            for form in self.names.openings.get(opening, ()):
                match = self._word_by_word(form, first)
                if match:
                    return match
        return self._in_window(first)

    def _word_by_word(self, form: Form, first: int) -> Match | None:
        last = first + len(form.words) - 1
        hows: list[How] = []
        for ours, theirs in zip(self.words[first : last + 1], form.words, strict=False):
            near = self._near(ours)
            if ours != theirs and theirs not in near:
                return None
            hows += [near[theirs]] if ours != theirs else []
        complete = last < len(self.words) and hows
        return Match(first, last, form.name, hows[0]) if complete and self._counts(first, last) else None

    def _in_window(self, first: int) -> Match | None:
        for target, form in self.names.windows:
            window = tuple(self.words[first : first + len(form.words)])
            if abs(sum(map(len, window)) - len(target.word)) > target.edits or len(window) < len(form.words):
                continue
            if (form, window) not in self.windows:
                self.windows[form, window] = _is_near_all(window, target, form)
            last = first + len(window) - 1
            if self.windows[form, window] and self._counts(first, last):
                return Match(first, last, form.name, "misspelt")
        return None

    def _near(self, word: str) -> dict[str, How]:
        if word not in self.seen:
            found = self._resembling(word)
            self.seen[word] = {} if found and self.reading.script != "leet" and is_ordinary(word) else found
        return self.seen[word]

    def _resembling(self, word: str) -> dict[str, How]:
        """The targets that one word distorts."""
        targets = self.names.targets
        if MASK in word:
            return {target: "masked" for target in targets if unmasks(word, target, MASK)}
        found: dict[str, How] = {word[::-1]: "reversed"} if len(word) > 2 and word[::-1] in targets else {}
        if LEAST_NEAR <= len(word) <= self.longest:
            bits = letter_set(word)
            found |= {target.word: "misspelt" for target in targets.values() if target.word != word and _is_near(word, bits, target)}
        return found | {run: "stretched" for run in self.names.runs.get(squeezed(word), ()) if stretches(word, run)}

    def _counts(self, first: int, last: int) -> bool:
        """In leetspeak, a match needs a letter, and a digit or symbol that stands for one."""
        shown = self.reading.shown(first, last)
        return self.reading.script != "leet" or (not MARKS.isdisjoint(shown) and any(map(str.isalpha, shown)))


def _squeeze(word: str) -> str:
    return re.sub(r"(.)\1+", r"\1", word)


def _is_near(word: str, bits: int, target: Target) -> bool:
    return target.edits > 0 and (bits ^ target.bits).bit_count() <= 2 * target.edits and within(word, target.word, target.edits)


def _is_near_all(window: tuple[str, ...], target: Target, form: Form) -> bool:
    """Whether some words are a name misspelt, and what was changed is no English."""
    changed = [ours for ours, theirs in zip(window, form.words, strict=True) if ours != theirs]
    joined = "".join(window)
    return _is_near(joined, letter_set(joined), target) and not all(map(is_ordinary, changed))
