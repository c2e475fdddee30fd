from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from unconceal.probes.edit_distance import allowance, squeeze, stretches, unmasks, within_edits

LETTERS = st.text("abc", max_size=7)


def distance(first: str, two: str) -> int:
    """Optimal string alignment by its table."""
    table = [[max(row, column) if not row * column else 0 for column in range(len(two) + 1)] for row in range(len(first) + 1)]
    for row in range(1, len(first) + 1):
        for column in range(1, len(two) + 1):
            differs = first[row - 1] != two[column - 1]
            least = min(table[row - 1][column] + 1, table[row][column - 1] + 1, table[row - 1][column - 1] + differs)
            if row > 1 and column > 1 and first[row - 2 : row] == two[column - 2 : column][::-1]:
                least = min(least, table[row - 2][column - 2] + 1)
            table[row][column] = least
    return table[-1][-1]


@settings(max_examples=300, deadline=None)
@given(LETTERS, LETTERS, st.integers(0, 2))
def test_within_agrees_with_the_table(first: str, two: str, edits: int) -> None:
    assert within_edits(first, two, edits) == (distance(first, two) <= edits)


def test_allowance_by_length() -> None:
    assert [allowance("x" * length) for length in (0, 4, 5, 8, 9, 30)] == [0, 0, 1, 1, 2, 2]


@settings(max_examples=100, deadline=None)
@given(st.text("abc", min_size=1, max_size=6), st.lists(st.integers(1, 3), min_size=6, max_size=6))
def test_repeating_letters_stretches(word: str, times: list[int]) -> None:
    long = "".join(letter * times[index] for index, letter in enumerate(word))
    assert stretches(long, word) == (long != word) and not stretches(word, long) and squeeze(long) == squeeze(word)


def test_masks_show_the_first_letter_and_half_of_all() -> None:
    assert unmasks("st*r", "star") and unmasks("s**r", "star") and not unmasks("*tar", "star")
    assert not unmasks("s***", "star") and not unmasks("st**r", "star") and not unmasks("sc*r", "star")
