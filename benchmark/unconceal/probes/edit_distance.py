"""How far one spelling is from another: edits, repeated letters, masked letters."""

from __future__ import annotations

import re
from itertools import groupby

from rapidfuzz.distance import OSA


def allowance(word: str) -> int:
    """Number of edits a misspelling of this word may have: 0 below 5 letters, 1 below 9, else 2."""
    return (len(word) >= 5) + (len(word) >= 9)


def within_edits(first: str, second: str, edits: int) -> bool:
    """Whether ``edits`` edits turn one word into the other (optimal string alignment: a swap of neighbours is one edit)."""
    return OSA.distance(first, second, score_cutoff=edits) <= edits


def squeeze(word: str) -> str:
    """The word with each run of a repeated letter reduced to one letter."""
    return re.sub(r"(.)\1+", r"\1", word)


def stretches(long: str, word: str) -> bool:
    """Whether ``long`` is ``word`` with some letters repeated: starrr is star; be is not bee."""
    if len(long) <= len(word) or squeeze(long) != squeeze(word):
        return False
    runs = zip(groupby(long), groupby(word), strict=True)
    return all(len([*long_run]) >= len([*run]) for (_, long_run), (_, run) in runs)


def unmasks(masked: str, word: str, mask: str = "*") -> bool:
    """Whether ``word`` fits a masked word whose first letter and at least half of the letters are visible: st*r, n*d*ty."""
    n_visible = len(masked) - masked.count(mask)
    fits = len(masked) == len(word) and all(masked_letter in (mask, letter) for masked_letter, letter in zip(masked, word, strict=True))
    return fits and masked[0] != mask and 2 * n_visible >= len(word) and n_visible > 1


def letter_set(word: str) -> int:
    """The word's letters as a bit set. One edit changes at most two bits, which rules most comparisons out cheaply."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 63)
    return bits
