"""Common English words, which are themselves and no misspelling of a name: bench is not tench, rats are not star backwards.

``ordinary.txt`` was written for this benchmark: everyday words and things that pictures show, with their near neighbours in mind. It is not
complete: a rarer word one letter from a name counts as that name misspelt.
"""

from __future__ import annotations

from pathlib import Path

from unconceal.probes.inflection import stems

FUNCTIONS = """
a am an and any are as at be but by can did do for go had has he her him his how i if in is it its let may me my no nor not now of off on
or our out own per she so than the them then they to too top two up us was we who why you your
"""

FUNCTION_WORDS = frozenset(FUNCTIONS.split())
"""Words that stand between others: "is land" is no island, while "sun flower" is a sunflower."""

COMMON = frozenset(Path(__file__).with_name("ordinary.txt").read_text(encoding="utf-8").split())
"""Words of three letters and more; their plurals, -ed and -ing forms go without saying."""


def is_ordinary(word: str) -> bool:
    """Whether a folded word is a function word, a common word, or a regular form of one."""
    return word in COMMON or word in FUNCTION_WORDS or not COMMON.isdisjoint(stems(word))
