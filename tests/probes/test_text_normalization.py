from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unconceal.probes.lookalikes import LOOKALIKES, SHAPES, SOUNDS, VOICES
from unconceal.probes.text_normalization import EXPANSION, fold, looks_like


@settings(max_examples=200, deadline=None)
@given(st.text(), st.booleans(), st.sampled_from(["", " "]))
def test_every_letter_has_a_place(text: str, sound: bool, gap: str) -> None:
    folded = fold(text, sound=sound, gap=gap)
    assert len(folded.letters) == len(folded.at) <= 6 * EXPANSION * len(text) and folded.at == sorted(folded.at)
    for start in range(len(folded.letters)):
        left, right = folded.span(start, start + 1, text)
        assert 0 <= left < right <= len(text)


@pytest.mark.parametrize(
    ("shown", "plain"),
    [("Ｓ𝒯ᴀⓡ", "star"), ("ŁØĐ", "lod"), ("ﬁ", "fi"), ("٣५", "35"), ("🇸", "s"), ("🅢", "s"), ("Æ", "ae"), ("ɐ", "a"), ("星", "星")],
)
def test_letters_by_decomposition_or_name(shown: str, plain: str) -> None:
    assert fold(shown).letters == plain


def test_the_invisible_leaves_nothing_or_a_gap() -> None:
    assert fold("a\u200bb\u0301\u00adc").letters == "abc" and fold("a\u200bb\u0301\u00adc", gap=" ").letters == "a b c"


def test_ascii_stays_itself() -> None:
    text = "".join(map(chr, range(32, 127)))
    assert fold(text).letters == text.lower() and fold(text).at == list(range(len(text)))


def test_the_tables_say_everything_once_and_in_plain_letters() -> None:
    assert len(LOOKALIKES) == len(SHAPES.split()) and len(SOUNDS) == len(VOICES.split())
    assert all(value.isascii() and value.islower() and not key.isascii() for key, value in LOOKALIKES.items())
    assert all((not value or value.isascii()) and key == key.casefold() for key, value in SOUNDS.items())
    assert not [key for key in LOOKALIKES if unicodedata.category(key) == "Cn"] and looks_like("а") == "a"
