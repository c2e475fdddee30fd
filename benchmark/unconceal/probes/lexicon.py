"""The lexicon of the lexical filter: all forms of each name, and the words that a misspelling is compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple, TypeVar

from unconceal.probes.edit_distance import allowance, letter_set, squeeze
from unconceal.probes.inflection import inflections, plurals, stems
from unconceal.probes.text_readings import Script, read_text

MatchRule = Literal[
    "exact",
    "inflected",
    "joined",
    "reversed",
    "split",
    "stretched",
    "misspelt",
    "look-alike",
    "leetspeak",
    "masked",
    "transliterated",
    "symbol",
]
"""The rule by which a span names a name; :func:`unconceal.probes.lexical_filter.named_in` tells them one by one."""

MIN_REVERSED = 4
"""Shorter names occur reversed by chance."""

Value = TypeVar("Value")


class NameForm(NamedTuple):
    """One way to write ``name``, in normalized words. ``cuts``: word boundaries within the joined letters."""

    name: str
    words: tuple[str, ...]
    rule: MatchRule
    joined: str
    cuts: tuple[int, ...]


class SpellingTarget(NamedTuple):
    """A word, or several joined, that a misspelling may be ``edits`` away from. ``bits``: its :func:`letter_set`."""

    word: str
    edits: int
    bits: int


@dataclass(frozen=True)
class Lexicon:
    """Names as one script reads them. Only the name, its plural and its stem are matched with distortions.

    ``forms``: every undistorted form, by its joined letters; ``prefixes`` of all those letters.
    ``near``: forms that may be distorted, by their joined letters; ``openings``: those of several words, by the first.
    ``targets``: words compared with a single word; ``runs``: the same, by squeezed letters.
    ``windows``: names of several words all below 5 letters (Van Gogh): the edits count over all of them.
    """

    forms: dict[str, list[NameForm]]
    prefixes: frozenset[str]
    near: dict[str, list[NameForm]]
    openings: dict[str, list[NameForm]]
    targets: dict[str, SpellingTarget]
    runs: dict[str, list[str]]
    windows: tuple[tuple[SpellingTarget, NameForm], ...]


@lru_cache(maxsize=64)
def lexicon(names: tuple[str, ...], script: Script) -> Lexicon:
    """Build the lexicon. Names without a letter or digit are omitted."""
    read_names = ((name, tuple(word.letters for word in read_text(name, script).words)) for name in names)
    bases = [_form(name, words, "exact") for name, words in read_names if words]
    near = [form for base in bases for form in (base, *_with_endings(base, _numbers(base.words[-1])))]
    forms = [form for base in bases for form in (base, *_with_endings(base, _family(base.words[-1])))]
    backwards = [_form(form.name, (form.joined[::-1],), "reversed") for form in near if len(form.joined) >= MIN_REVERSED]
    targets = {target.word: target for base in bases for target in _targets(base)}
    return Lexicon(
        forms=_group((form.joined, form) for form in forms + backwards),
        prefixes=frozenset(form.joined[:end] for form in forms + backwards for end in range(1, len(form.joined) + 1)),
        near=_group((form.joined, form) for form in near),
        openings=_group((form.words[0], form) for form in near if form.cuts),
        targets=targets,
        runs=_group((squeeze(word), word) for word in targets),
        windows=tuple((_target(base.joined, base.joined), base) for base in bases if base.cuts and not any(map(allowance, base.words))),
    )


def _form(name: str, words: tuple[str, ...], rule: MatchRule) -> NameForm:
    return NameForm(name, words, rule, "".join(words), tuple(accumulate(map(len, words[:-1]))))


def _with_endings(base: NameForm, endings: Iterable[str]) -> Iterator[NameForm]:
    return (_form(base.name, (*base.words[:-1], ending), "inflected") for ending in sorted(endings))


def _numbers(word: str) -> set[str]:
    return plurals(word) | stems(word)


def _family(word: str) -> set[str]:
    return set().union(*(inflections(stem) | {stem} for stem in {word} | stems(word))) - {word}


def _targets(base: NameForm) -> Iterator[SpellingTarget]:
    yield from (_target(word, word) for word in base.words[:-1])
    for last in {base.words[-1]} | _numbers(base.words[-1]):
        yield _target(last, base.words[-1])
        yield _target("".join((*base.words[:-1], last)), base.joined)


def _target(word: str, base: str) -> SpellingTarget:
    """A form allows no more edits than the name's own word (stars counts as short as star) and than its own length allows."""
    return SpellingTarget(word, min(allowance(word), allowance(base)), letter_set(word))


def _group(pairs: Iterable[tuple[str, Value]]) -> dict[str, list[Value]]:
    groups: defaultdict[str, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
