"""English inflection by small rules: the forms of a word, and the words a form may come from.

Caught: plurals (-s, -es, -ies, -ves, -i and the few irregular ones), -ed, -ing, -y, -ish, -ian, -like, -esque, -shaped, -style, -styled,
-themed. Not caught: comparatives, derivations (nudity: nude; hazard: hazardous), closed compounds (starlight, churchyard), other languages.

The packages lemminflect and inflect know fewer forms (no stripy, no names, one plural a word), so the rules are ours.
"""

from __future__ import annotations

import re

IRREGULAR = {
    "child": "children",
    "die": "dice",
    "foot": "feet",
    "goose": "geese",
    "louse": "lice",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
}
"""Singular: plural."""

SINGULARS = {plural: word for word, plural in IRREGULAR.items()}

SUFFIXES = ("like", "ish", "esque", "ian", "shaped", "style", "styled", "themed")

SHORT = re.compile(r"(?:qu|[^aeiou])*[aeiou][^aeiouwxy]")
"""One syllable that doubles its last letter before a vowel: star, starred; never stared, which is stare's."""

MIN_STEM = 4
"""A plural's -s is taken off names only where so many letters stay: Mars is no plural."""


def inflections(word: str) -> set[str]:
    """Other forms of a folded word; of one that is not all Latin letters, the plural in -s only."""
    if not (word.isascii() and word.isalpha()):
        return {f"{word}s"}
    stem = _before_vowel(word)
    past = (word[:-1] + "i" if re.search(r"[^aeiou]y$", word) else stem) + "ed"
    verbal = {past} | {stem + ending for ending in ("ing", "y", "ish")}
    return (plurals(word) | verbal | {word + suffix for suffix in SUFFIXES}) - {word}


def plurals(word: str) -> set[str]:
    """Every plural that the rules allow; some are none (roofs, rooves)."""
    if word in IRREGULAR:
        return {IRREGULAR[word]}
    for ending, others in (("man", ("men",)), ("fe", ("ves", "fes")), ("f", ("ves", "fs")), ("us", ("i", "uses")), ("is", ("es",))):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return {word.removesuffix(ending) + other for other in others}
    if re.search(r"[^aeiou]y$", word):
        return {word[:-1] + "ies"}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {word + "es"}
    return {word + "s", word + "es"} if word.endswith("o") else {word + "s"} | ({word + "x"} if word.endswith("eau") else set())


def stems(word: str) -> set[str]:
    """Words that ``word`` may be the plural or the -ed or -ing form of: striped gives stripe, starred star, mice mouse."""
    if word in SINGULARS:
        return {SINGULARS[word]}
    candidates = {stem for stem in _singulars(word) if len(stem) >= MIN_STEM}
    for ending in ("ed", "ing"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            candidates |= _verbs(word.removesuffix(ending))
    return candidates - {word}


def _singulars(word: str) -> set[str]:
    if word.endswith("men"):
        return {word[:-3] + "man"}
    if word.endswith("ies"):
        return {word[:-3] + "y", word[:-1]}
    if word.endswith("ves"):
        return {word[:-3] + "f", word[:-3] + "fe", word[:-1]}
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        return {word[:-1], word[:-2]}
    return {word[:-1]} if word.endswith("s") and not word.endswith(("ss", "us", "is")) else set()


def _verbs(trunk: str) -> set[str]:
    if not re.search(r"[aeiouy]", trunk) or trunk.endswith("e"):
        return set()
    if trunk[-1] == trunk[-2]:
        return {trunk[:-1], trunk} if trunk[-1] in "flsz" else {trunk[:-1]}
    return {trunk + "e"} if SHORT.fullmatch(trunk) else {trunk, trunk + "e"}


def _before_vowel(word: str) -> str:
    if SHORT.fullmatch(word):
        return word + word[-1]
    return word[:-1] if word.endswith("e") and not word.endswith("ee") else word
