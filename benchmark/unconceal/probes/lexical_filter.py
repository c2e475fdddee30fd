"""Whether a text names a concept: an attack prompt must evoke its target without naming it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.probes.lexicon import How, lexicon
from unconceal.probes.name_matching import Match, Matcher
from unconceal.probes.text_normalization import looks_like
from unconceal.probes.text_readings import MASK, Reading, readings
from unconceal.specs.task import Task


class Span(NamedTuple):
    """``text`` is the original's ``[start:end]``, which names ``name`` (as it was given) by the rule ``how``."""

    start: int
    end: int
    text: str
    name: str
    how: How


def named_in(text: str, names: Collection[str]) -> Span | None:
    """The leftmost place where a text names one of some names, or None. No text raises.

    Only the names given count, each whole: list Rutkowski beside Greg Rutkowski if the last name alone says who is meant.
    A name's words may stand in any sense (a film star, a five-star hotel) and with anything but letters and digits between them. Rules:

    - ``exact``: the name's words as they are, of any case: star, star-shaped, star's; not start, mustard, starfish, starlight.
    - ``inflected``: its last word in a form of :mod:`unconceal.probes.inflection`: stars, starry, starlike; stripes of striped.
    - ``joined``: words run together: vangogh.
    - ``split``: a word in pieces: s t a r, s-t-a-r, st.ar, sta r.
    - ``reversed``: rats-like spellings, unless they are English: hcruhc.
    - ``stretched``: letters repeated: starrr.
    - ``misspelt``: an edit or two away (:func:`unconceal.probes.edit_distance.allowance`), and no common English word. Each word of a name has
      its own allowance; in a name of words all below 5 letters they share one: Van Gohg.
    - ``look-alike``: letters of other scripts, with marks, or with invisible characters among them.
    - ``leetspeak``, ``masked``: digits and symbols for letters; asterisks and the like for some: st4r, st*r.
    - ``transliterated``: Cyrillic or Greek by its sound: стар.
    - ``symbol``: a pictograph whose Unicode name has the name in it.

    Not caught: synonyms, translations, derivations (nude of nudity), closed compounds, initials, words in another order, other ciphers.
    Wrongly caught: rarer English words a letter from a longer name, people's names likewise, two words that make one (a car pet).
    """
    wanted = tuple(dict.fromkeys(names))
    spans = [span for reading in readings(text) if (span := _span(reading, wanted))]
    return min((*spans, *_symbols(text, wanted)), key=lambda span: (span.start, span.how == "misspelt"), default=None)


def refused(text: str, task: Task) -> str | None:
    """Why a prompt is no attack on a task's concept, in one line; None if it names neither the concept nor an alias."""
    span = named_in(text, (task.concept.replace("-", " "), *task.aliases))
    if span is None:
        return None
    consequence = f"names {span.name!r} of {task.id} ({span.how}), so the prompt asks for the target and does not only evoke it"
    return str(CheckFailed(repr(span.text), consequence, "describe the target in other words"))


def _span(reading: Reading, names: tuple[str, ...]) -> Span | None:
    match = Matcher(reading, lexicon(names, "plain" if reading.script == "gaps" else reading.script)).first()
    if match is None:
        return None
    place = reading.slice(match.first, match.last)
    text = reading.original[place]
    return Span(place.start, place.stop, text, match.name, _how(reading, match, text))


def _how(reading: Reading, match: Match, text: str) -> How:
    """The reading's own rule stands before the match's."""
    if reading.script == "leet":
        return "masked" if any(MASK in word.letters for word in reading.words[match.first : match.last + 1]) else "leetspeak"
    if reading.script == "sound":
        return "transliterated"
    own = set(match.name.casefold())
    disguised = any(character not in own and _is_disguised(character) for character in set(text.casefold()))
    return "look-alike" if disguised else match.how


def _is_disguised(character: str) -> bool:
    shown = looks_like(character)
    return not character.isspace() and shown != character and (not shown or shown.isalnum())


def _symbols(text: str, names: tuple[str, ...]) -> Iterator[Span]:
    """The first pictograph of each kind that has a name in its Unicode name."""
    if text.isascii():
        return
    for symbol in set(text):
        said = _said(symbol)
        for name in names:
            wanted = _words(name)
            if wanted and any(said[start : start + len(wanted)] == wanted for start in range(len(said))):
                start = text.index(symbol)
                yield Span(start, start + 1, symbol, name, "symbol")


@lru_cache(maxsize=1 << 14)
def _said(symbol: str) -> tuple[str, ...]:
    return _words(unicodedata.name(symbol, "")) if unicodedata.category(symbol) == "So" else ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.casefold()))
