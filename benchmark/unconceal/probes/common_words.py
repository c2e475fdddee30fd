"""Common English words: never a misspelled name (bench is not tench, rats is not star reversed).

``common_words.txt`` was written for this benchmark: everyday words and objects that images show, and words close to them. It is not
complete: a rarer word one letter from a name counts as that name misspelled.
"""

from __future__ import annotations

from pathlib import Path

from unconceal.probes.inflection import stems

FUNCTIONS = """
a am an and any are as at be but by can did do for go had has he her him his how i if in is it its let may me my no nor not now of off on
or our out own per she so than the them then they to too top two up us was we who why you your
"""

FUNCTION_WORDS = frozenset(FUNCTIONS.split())
"""Function words: "is land" is not an island, but "sun flower" is a sunflower."""

COMMON = frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())
"""Words of three letters or more; plurals, -ed and -ing forms are derived."""


def is_common(word: str) -> bool:
    """Whether a folded word is a function word, a common word, or a regular form of one."""
    return word in COMMON or word in FUNCTION_WORDS or not COMMON.isdisjoint(stems(word))
