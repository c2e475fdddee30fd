from __future__ import annotations

import pytest

from unconceal.probes.common_words import COMMON, is_common
from unconceal.probes.inflection import inflections, plurals, stems


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("star", "stars starred starring starry starlike starish starshaped"),
        ("stripe", "stripes striped striping stripy"),
        ("church", "churches churched churching"),
        ("body", "bodies bodied bodying"),
        ("leaf", "leaves"),
        ("knife", "knives"),
        ("cactus", "cacti cactuses"),
        ("snowman", "snowmen"),
        ("mouse", "mice"),
        ("tomato", "tomatoes tomatos"),
        ("gateau", "gateaux"),
    ],
)
def test_forms_of_a_word(word: str, forms: str) -> None:
    assert set(forms.split()) <= inflections(word)


@pytest.mark.parametrize(
    ("word", "none"), [("star", "stared staring stares start starch"), ("stripe", "stripped strip"), ("body", "bodys")]
)
def test_other_words_are_no_forms(word: str, none: str) -> None:
    assert inflections(word).isdisjoint(none.split())


STEMS = {"striped": "stripe", "starred": "star", "dotted": "dot", "checkered": "checker", "mice": "mouse", "stars": "star"}
STEMS |= {"churches": "church", "leaves": "leaf", "crossed": "cross", "women": "woman"}


@pytest.mark.parametrize(("form", "word"), STEMS.items())
def test_stems(form: str, word: str) -> None:
    assert word in stems(form)


@pytest.mark.parametrize("word", ["mars", "string", "glass", "cactus", "speed", "star", "red"])
def test_words_without_a_stem(word: str) -> None:
    assert not stems(word)


def test_plurals_lead_back() -> None:
    lost = {word for word in COMMON if len(word) > 4 and not any(word in stems(plural) for plural in plurals(word))}
    assert lost <= {"debris", "tennis"}


def test_other_scripts_get_an_s_only() -> None:
    assert inflections("r2d2") == {"r2d2s"} and inflections("星") == {"星s"}


def test_common_words_and_their_forms_are_ordinary() -> None:
    assert all(map(is_common, ["bench", "benches", "stripped", "the", "rats"])) and not any(map(is_common, ["tnech", "gogh", "zzz"]))
