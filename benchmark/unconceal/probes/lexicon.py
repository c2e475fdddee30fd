"""The names to look for, spelt out: every form of each, and what a distorted word is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple, TypeVar

from unconceal.probes.edit_distance import allowance, letter_set, squeezed
from unconceal.probes.inflection import inflections, plurals, stems
from unconceal.probes.text_readings import Script, read

How = Literal[
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

LEAST_REVERSED = 4
"""Shorter names backwards are chance."""

Value = TypeVar("Value")


class Form(NamedTuple):
    """One way to write ``name``, in folded words. ``cuts``: where in the joined words one ends and another begins."""

    name: str
    words: tuple[str, ...]
    how: How
    joined: str
    cuts: tuple[int, ...]


class Target(NamedTuple):
    """A word, or several as one, that a misspelling may be ``edits`` away from. ``bits``: its :func:`letter_set`."""

    word: str
    edits: int
    bits: int


@dataclass(frozen=True)
class Lexicon:
    """Names as one script reads them. Distortions are looked for in the name itself, its plural and its stem only.

    ``forms``: every undistorted form, by its joined letters; ``prefixes`` of all those letters.
    ``near``: forms that may be distorted, by their joined letters; ``openings``: those of several words, by the first.
    ``targets``: what a single word is held against; ``runs``: the same, by squeezed letters.
    ``windows``: names of several words all below 5 letters (Van Gogh): the edits count over all of them.
    """

    forms: dict[str, list[Form]]
    prefixes: frozenset[str]
    near: dict[str, list[Form]]
    openings: dict[str, list[Form]]
    targets: dict[str, Target]
    runs: dict[str, list[str]]
    windows: tuple[tuple[Target, Form], ...]


@lru_cache(maxsize=64)
def lexicon(names: tuple[str, ...], script: Script) -> Lexicon:
    """The lexicon of some names. One without a letter or digit is left out: nothing of it could be found."""
    read_names = ((name, tuple(word.letters for word in read(name, script).words)) for name in names)
    bases = [_form(name, words, "exact") for name, words in read_names if words]
    near = [form for base in bases for form in (base, *_ending_in(base, _numbers(base.words[-1])))]
    forms = [form for base in bases for form in (base, *_ending_in(base, _family(base.words[-1])))]
    backwards = [_form(form.name, (form.joined[::-1],), "reversed") for form in near if len(form.joined) >= LEAST_REVERSED]
    targets = {target.word: target for base in bases for target in _targets(base)}
    return Lexicon(
        forms=_grouped((form.joined, form) for form in forms + backwards),
        prefixes=frozenset(form.joined[:end] for form in forms + backwards for end in range(1, len(form.joined) + 1)),
        near=_grouped((form.joined, form) for form in near),
        openings=_grouped((form.words[0], form) for form in near if form.cuts),
        targets=targets,
        runs=_grouped((squeezed(word), word) for word in targets),
        windows=tuple((_target(base.joined, base.joined), base) for base in bases if base.cuts and not any(map(allowance, base.words))),
    )


def _form(name: str, words: tuple[str, ...], how: How) -> Form:
    return Form(name, words, how, "".join(words), tuple(accumulate(map(len, words[:-1]))))


def _ending_in(base: Form, endings: Iterable[str]) -> Iterator[Form]:
    return (_form(base.name, (*base.words[:-1], ending), "inflected") for ending in sorted(endings))


def _numbers(word: str) -> set[str]:
    return plurals(word) | stems(word)


def _family(word: str) -> set[str]:
    return set().union(*(inflections(stem) | {stem} for stem in {word} | stems(word))) - {word}


def _targets(base: Form) -> Iterator[Target]:
    yield from (_target(word, word) for word in base.words[:-1])
    for last in {base.words[-1]} | _numbers(base.words[-1]):
        yield _target(last, base.words[-1])
        yield _target("".join((*base.words[:-1], last)), base.joined)


def _target(word: str, base: str) -> Target:
    """A form gets no more edits than the name's own word, for stars is as short a word as star, and no more than its length allows."""
    return Target(word, min(allowance(word), allowance(base)), letter_set(word))


def _grouped(pairs: Iterable[tuple[str, Value]]) -> dict[str, list[Value]]:
    groups: defaultdict[str, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
