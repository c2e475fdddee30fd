from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unconceal.probes.lookalikes import LOOKALIKES, SHAPES, SOUNDS
from unconceal.probes.text_normalization import EXPANSION, latin_lookalike, normalize


@settings(max_examples=200, deadline=None)
@given(st.text(), st.booleans(), st.sampled_from(["", " "]))
def test_every_letter_has_a_place(text: str, sound: bool, gap: str) -> None:
    folded = normalize(text, sound=sound, gap=gap)
    assert len(folded.letters) == len(folded.source_indices) <= 6 * EXPANSION * len(text) and folded.source_indices == sorted(
        folded.source_indices
    )
    for start in range(len(folded.letters)):
        left, right = folded.span(start, start + 1, text)
        assert 0 <= left < right <= len(text)


@pytest.mark.parametrize(
    ("original", "plain"),
    [("Ｓ𝒯ᴀⓡ", "star"), ("ŁØĐ", "lod"), ("ﬁ", "fi"), ("٣५", "35"), ("🇸", "s"), ("🅢", "s"), ("Æ", "ae"), ("ɐ", "a"), ("星", "星")],
)
def test_letters_by_decomposition_or_name(original: str, plain: str) -> None:
    assert normalize(original).letters == plain


def test_the_invisible_leaves_nothing_or_a_gap() -> None:
    assert normalize("a\u200bb\u0301\u00adc").letters == "abc" and normalize("a\u200bb\u0301\u00adc", gap=" ").letters == "a b c"


def test_ascii_stays_itself() -> None:
    text = "".join(map(chr, range(32, 127)))
    assert normalize(text).letters == text.lower() and normalize(text).source_indices == list(range(len(text)))


def test_the_tables_say_everything_once_and_in_plain_letters() -> None:
    assert len(LOOKALIKES) == len(SHAPES.split())
    assert all(value.isascii() and value.islower() and not key.isascii() for key, value in LOOKALIKES.items())
    assert all(value.isascii() for value in SOUNDS.values())
    assert not [key for key in LOOKALIKES if unicodedata.category(key) == "Cn"] and latin_lookalike("а") == "a"
