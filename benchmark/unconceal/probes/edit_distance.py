"""How far one spelling is from another."""

from __future__ import annotations

import re
from itertools import groupby


def allowance(word: str) -> int:
    """Edits that a word of this length may carry and still be that word: 0 below 5 letters, 1 below 9, else 2."""
    return (len(word) >= 5) + (len(word) >= 9)


def within(one: str, two: str, edits: int) -> bool:
    """Whether so many edits make one the other: a letter more, less or other, or two neighbours swapped (Damerau-Levenshtein,
    no letter edited twice). At most 4^edits steps of the words' length."""
    if abs(len(one) - len(two)) > edits:
        return False
    same = next((place for place, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), min(len(one), len(two)))
    one, two = one[same:], two[same:]
    if not one or not two:
        return len(one) + len(two) <= edits
    if not edits:
        return False
    swapped = len(one) > 1 and one[:2] == two[1::-1]
    return (
        within(one[1:], two[1:], edits - 1)
        or within(one[1:], two, edits - 1)
        or within(one, two[1:], edits - 1)
        or (swapped and within(one[2:], two[2:], edits - 1))
    )


def squeezed(word: str) -> str:
    """The word with every run of one letter as one letter."""
    return re.sub(r"(.)\1+", r"\1", word)


def stretches(long: str, word: str) -> bool:
    """Whether ``long`` is ``word`` with some letters doubled or more: starrr, never the other way round (be is no bee)."""
    if len(long) <= len(word) or squeezed(long) != squeezed(word):
        return False
    runs = zip(groupby(long), groupby(word), strict=True)
    return all(len([*ours]) >= len([*theirs]) for (_, ours), (_, theirs) in runs)


def unmasks(masked: str, word: str, mask: str = "*") -> bool:
    """Whether ``word`` fits under the masked letters, at least half of it and its first letter being shown: st*r, n*d*ty."""
    shown = len(masked) - masked.count(mask)
    fits = len(masked) == len(word) and all(ours in (mask, theirs) for ours, theirs in zip(masked, word, strict=True))
    return fits and masked[0] != mask and 2 * shown >= len(word) and shown > 1


def letter_set(word: str) -> int:
    """The word's letters as bits: one edit changes two at most, which spares most comparisons."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 63)
    return bits
