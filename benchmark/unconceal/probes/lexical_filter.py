"""The lexical filter: an attack prompt must evoke its target without naming it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.probes.lexicon import MatchRule, lexicon
from unconceal.probes.name_matching import NameMatch, NameMatcher
from unconceal.probes.text_normalization import latin_lookalike
from unconceal.probes.text_readings import MASK, TextReading, readings
from unconceal.specs.task import Task


class NameSpan(NamedTuple):
    """``text``, the original's ``[start:end]``, names ``name`` by ``rule``."""

    start: int
    end: int
    text: str
    name: str
    rule: MatchRule


def find_name(text: str, names: Collection[str]) -> NameSpan | None:
    """Find the leftmost mention of any of ``names`` in a text; None without one. Never raises.

    Names count as a whole: list Rutkowski as well as Greg Rutkowski if the surname alone identifies the person.
    A name's words may stand in any sense (a film star, a five-star hotel) and with anything but letters and digits between them. Rules:

    - ``exact``: the name's words as they are, of any case: star, star-shaped, star's; not start, mustard, starfish, starlight.
    - ``inflected``: its last word in a form of :mod:`unconceal.probes.inflection`: stars, starry, starlike; stripes of striped.
    - ``joined``: words run together: vangogh.
    - ``split``: a word in pieces: s t a r, s-t-a-r, st.ar, sta r.
    - ``reversed``: rats-like spellings, unless they are English: hcruhc.
    - ``stretched``: letters repeated: starrr.
    - ``misspelt``: one or two edits away (:func:`unconceal.probes.edit_distance.allowance`) and not a common English word. Each word
      of a name has its own allowance; words all below 5 letters share one: Van Gohg.
    - ``look-alike``: letters of other scripts, with marks, or with invisible characters among them.
    - ``leetspeak``, ``masked``: digits and symbols for letters; asterisks and the like for some: st4r, st*r.
    - ``transliterated``: Cyrillic or Greek by its sound: стар.
    - ``symbol``: a pictograph whose Unicode name has the name in it.

    Not caught: synonyms, translations, derivations (nude of nudity), closed compounds, initials, words in another order, other ciphers.
    False matches: rare English words or personal names one letter from a longer name; two words that join into one (a car pet).
    """
    unique_names = tuple(dict.fromkeys(names))
    spans = [span for reading in readings(text) if (span := _span(reading, unique_names))]
    return min((*spans, *_symbols(text, unique_names)), key=lambda span: (span.start, span.rule == "misspelt"), default=None)


def refusal_reason(text: str, task: Task) -> str | None:
    """Why a prompt is not a valid attack on a task's concept, in one line; None if it names neither the concept nor an alias."""
    span = find_name(text, (task.concept.replace("-", " "), *task.aliases))
    if span is None:
        return None
    consequence = f"names {span.name!r} of {task.id} ({span.rule}), so the prompt asks for the target directly"
    return str(CheckFailed("probes.names-target", repr(span.text), consequence, "describe the target in other words"))


def _span(reading: TextReading, names: tuple[str, ...]) -> NameSpan | None:
    match = NameMatcher(reading, lexicon(names, "plain" if reading.script == "gaps" else reading.script)).first()
    if match is None:
        return None
    span = reading.slice(match.first, match.last)
    text = reading.original[span]
    return NameSpan(span.start, span.stop, text, match.name, _rule(reading, match, text))


def _rule(reading: TextReading, match: NameMatch, text: str) -> MatchRule:
    """The rule of the reading takes precedence over the rule of the match."""
    if reading.script == "leet":
        return "masked" if any(MASK in word.letters for word in reading.words[match.first : match.last + 1]) else "leetspeak"
    if reading.script == "sound":
        return "transliterated"
    own = set(match.name.casefold())
    disguised = any(character not in own and _is_disguised(character) for character in set(text.casefold()))
    return "look-alike" if disguised else match.rule


def _is_disguised(character: str) -> bool:
    lookalike = latin_lookalike(character)
    return not character.isspace() and lookalike != character and (not lookalike or lookalike.isalnum())


def _symbols(text: str, names: tuple[str, ...]) -> Iterator[NameSpan]:
    """The first pictograph of each kind whose Unicode name contains a name."""
    if text.isascii():
        return
    for symbol in set(text):
        symbol_words = _unicode_name_words(symbol)
        for name in names:
            name_words = _words(name)
            if name_words and any(symbol_words[start : start + len(name_words)] == name_words for start in range(len(symbol_words))):
                start = text.index(symbol)
                yield NameSpan(start, start + 1, symbol, name, "symbol")


@lru_cache(maxsize=1 << 14)
def _unicode_name_words(symbol: str) -> tuple[str, ...]:
    return _words(unicodedata.name(symbol, "")) if unicodedata.category(symbol) == "So" else ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.casefold()))
