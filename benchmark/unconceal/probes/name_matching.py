"""Match names in the words of one reading: undistorted forms first, then distorted ones."""

from __future__ import annotations

import re
from typing import NamedTuple

from unconceal.probes.common_words import FUNCTION_WORDS, is_common
from unconceal.probes.edit_distance import letter_set, squeeze, stretches, unmasks, within_edits
from unconceal.probes.lexicon import Lexicon, MatchRule, NameForm, SpellingTarget
from unconceal.probes.text_readings import MARKS, MASK, TextReading

STRENGTH: tuple[MatchRule, ...] = ("exact", "inflected", "joined", "reversed", "split")
"""Precedence of rules at one position; ties go to the longer match."""

CLAUSE = re.compile(r"[,;:!?()\[\]{}\"\n]|\.\s")
"""Punctuation that separates two pieces of a word, unless all pieces are single letters."""

MIN_LENGTH = 4
"""Shorter words are not matched as misspellings."""


class NameMatch(NamedTuple):
    """The words ``first`` to ``last`` name ``name``."""

    first: int
    last: int
    name: str
    rule: MatchRule


class NameMatcher:
    """Match the names of one lexicon in one reading. Results are cached per word."""

    def __init__(self, reading: TextReading, names: Lexicon) -> None:
        self.reading, self.names = reading, names
        self.words = [word.letters for word in reading.words]
        self.longest = max(map(len, names.targets), default=0) + 2
        self.rules_by_word: dict[str, dict[str, MatchRule]] = {}
        self.windows: dict[tuple[NameForm, tuple[str, ...]], bool] = {}

    def first(self) -> NameMatch | None:
        """The leftmost match."""
        for number in range(len(self.words)):
            match = self._undistorted(number) or self._distorted(number)
            if match:
                return match
        return None

    def _undistorted(self, first: int) -> NameMatch | None:
        joined = ""
        cuts: list[int] = []
        matches: list[NameMatch] = []
        for last in range(first, len(self.words)):
            joined += self.words[last]
            if joined not in self.names.prefixes:
                break
            for form in self.names.forms.get(joined, ()):
                rule = self._rule_of(form, tuple(cuts), first, last)
                if rule and self._counts(first, last):
                    matches.append(NameMatch(first, last, form.name, rule))
            cuts.append(len(joined))
        return min(matches, key=lambda match: (STRENGTH.index(match.rule), -match.last), default=None)

    def _rule_of(self, form: NameForm, cuts: tuple[int, ...], first: int, last: int) -> MatchRule | None:
        """The rule for a form whose letters these words spell: equal word boundaries, fewer, or others."""
        if form.rule == "reversed":
            return None if self._all_common(first, last) else "reversed"
        if cuts == form.cuts:
            return form.rule
        if set(cuts) < set(form.cuts):
            return "joined"
        return "split" if self._is_one_word(first, last) else None

    def _is_one_word(self, first: int, last: int) -> bool:
        """Whether the pieces form one word: single letters, or fragments within a clause that are not common English."""
        pieces = self.words[first : last + 1]
        if all(len(piece) == 1 for piece in pieces):
            return len(pieces) > 2
        gaps = [self.reading.between(number, number + 1) for number in range(first, last)]
        separated = any(CLAUSE.search(gap) for gap in gaps) or self.reading.is_enclitic(first)
        spaced = all(gap.isspace() for gap in gaps)
        common = spaced and all(map(is_common, pieces)) and not FUNCTION_WORDS.isdisjoint(pieces)
        return not separated and not common and sum(map(len, pieces)) >= MIN_LENGTH

    def _all_common(self, first: int, last: int) -> bool:
        """Whether all words are common English in plain ASCII letters."""
        original = self.reading.original[self.reading.slice(first, last)]
        return original.isascii() and all(map(is_common, self.words[first : last + 1]))

    def _distorted(self, first: int) -> NameMatch | None:
        near = self._near(self.words[first])
        for target, rule in near.items():
            for form in self.names.near.get(target, ()):
                if rule != "reversed" and self._counts(first, first):
                    return NameMatch(first, first, form.name, rule)
        for opening in (self.words[first], *near):
            for form in self.names.openings.get(opening, ()):
                match = self._word_by_word(form, first)
                if match:
                    return match
        return self._in_window(first)

    def _word_by_word(self, form: NameForm, first: int) -> NameMatch | None:
        last = first + len(form.words) - 1
        rules: list[MatchRule] = []
        for word, name_word in zip(self.words[first : last + 1], form.words, strict=False):
            near = self._near(word)
            if word != name_word and name_word not in near:
                return None
            rules += [near[name_word]] if word != name_word else []
        complete = last < len(self.words) and rules
        return NameMatch(first, last, form.name, rules[0]) if complete and self._counts(first, last) else None

    def _in_window(self, first: int) -> NameMatch | None:
        for target, form in self.names.windows:
            window = tuple(self.words[first : first + len(form.words)])
            if abs(sum(map(len, window)) - len(target.word)) > target.edits or len(window) < len(form.words):
                continue
            if (form, window) not in self.windows:
                self.windows[form, window] = _is_near_all(window, target, form)
            last = first + len(window) - 1
            if self.windows[form, window] and self._counts(first, last):
                return NameMatch(first, last, form.name, "misspelt")
        return None

    def _near(self, word: str) -> dict[str, MatchRule]:
        if word not in self.rules_by_word:
            rules = self._resembling(word)
            self.rules_by_word[word] = {} if rules and self.reading.script != "leet" and is_common(word) else rules
        return self.rules_by_word[word]

    def _resembling(self, word: str) -> dict[str, MatchRule]:
        """The targets that a word distorts, with the rule."""
        targets = self.names.targets
        if MASK in word:
            return {target: "masked" for target in targets if unmasks(word, target, MASK)}
        rules: dict[str, MatchRule] = {word[::-1]: "reversed"} if len(word) > 2 and word[::-1] in targets else {}
        if MIN_LENGTH <= len(word) <= self.longest:
            bits = letter_set(word)
            rules |= {target.word: "misspelt" for target in targets.values() if target.word != word and _is_near(word, bits, target)}
        return rules | {run: "stretched" for run in self.names.runs.get(squeeze(word), ()) if stretches(word, run)}

    def _counts(self, first: int, last: int) -> bool:
        """In leetspeak, a match needs a letter and a digit or symbol that replaces one."""
        letters = self.reading.letters_between(first, last)
        return self.reading.script != "leet" or (not MARKS.isdisjoint(letters) and any(map(str.isalpha, letters)))


def _is_near(word: str, bits: int, target: SpellingTarget) -> bool:
    return target.edits > 0 and (bits ^ target.bits).bit_count() <= 2 * target.edits and within_edits(word, target.word, target.edits)


def _is_near_all(window: tuple[str, ...], target: SpellingTarget, form: NameForm) -> bool:
    """Whether the words misspell a name and the changed words are not common English."""
    changed = [word for word, name_word in zip(window, form.words, strict=True) if word != name_word]
    joined = "".join(window)
    return _is_near(joined, letter_set(joined), target) and not all(map(is_common, changed))
