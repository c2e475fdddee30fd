from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from unconceal.miniature.captions import (
    BARE_TEMPLATES,
    GENERIC_CHARACTER,
    GENERIC_SIGN,
    SHAPE_WORDINGS,
    SIGN_WORDINGS,
    STYLE_WORDINGS,
    TEMPLATES,
    caption,
    mentions,
    phrase,
    wordings,
)
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene, sample_scene

CONCEPTS = (*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES, SIGN)
STAR = Scene("gray", 32, 32, 20, shape="star", style="striped", colour="red")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_the_first_wording_names_the_concept_and_the_last_does_not(concept: str) -> None:
    forms = wordings(concept)
    stem = concept.removesuffix("ped").removesuffix("ted").removesuffix("ered")
    assert concept in forms[0] and concept not in forms[-1] and stem not in forms[-1].split() and len(set(forms)) == len(forms) >= 3
    assert all(("{}" in form) == (concept in STYLE_NAMES) for form in forms)


def test_no_wording_is_shared() -> None:
    forms = [form for concept in CONCEPTS for form in wordings(concept)]
    assert len(set(forms)) == len(forms)
    assert (tuple(SHAPE_WORDINGS), tuple(STYLE_WORDINGS)) == (SHAPE_NAMES, STYLE_NAMES)


def test_what_is_no_concept_has_no_wording() -> None:
    with pytest.raises(KeyError, match="dragon"):
        wordings("dragon")


def test_a_phrase_says_everything_by_default() -> None:
    forms = {"star": "star", "striped": "striped {}"}
    assert phrase(STAR, rng(), forms=forms) == "a red striped star"
    assert phrase(STAR, rng(), forms={"star": "five-pointed figure", "striped": "{} with slanted bands"}) == (
        "a red five-pointed figure with slanted bands"
    )


@pytest.mark.parametrize(
    ("unsaid", "expected"),
    [
        ({"star"}, "a red striped shape"),
        ({"striped"}, "a red star"),
        ({"red"}, "a striped star"),
        ({"star", "striped", "red"}, "a shape"),
        ({"circle"}, "a red striped star"),
    ],
)
def test_unsaid_concepts_are_left_out(unsaid: set[str], expected: str) -> None:
    assert phrase(STAR, rng(), unsaid, {"star": "star", "striped": "striped {}"}) == expected


def test_captions_may_omit_characters_and_the_sign() -> None:
    zara, sign = Scene("white", 32, 32, 20, character="zara"), Scene("white", 32, 32, 20, sign=True)
    assert phrase(zara, rng(), {"zara"}) == GENERIC_CHARACTER and phrase(sign, rng(), {SIGN}) == GENERIC_SIGN
    assert {phrase(zara, rng(seed)) for seed in range(40)} == set(wordings("zara"))
    assert {phrase(sign, rng(seed)) for seed in range(80)} == set(SIGN_WORDINGS)


def test_unsaid_concepts_are_never_mentioned() -> None:
    draws = rng()
    for _ in range(600):
        scene = sample_scene(draws)
        for concept in scene.concepts & set(CONCEPTS):
            assert not mentions(phrase(scene, draws, {concept}), (concept,)) and mentions(phrase(scene, draws), (concept,))


def test_only_what_is_shown_is_mentioned() -> None:
    """But for the sign, one of whose wordings says what it is drawn on: a triangle."""
    draws = rng()
    for _ in range(300):
        scene = sample_scene(draws)
        text = caption(scene, draws, omit_probability=0)
        mentioned = {concept for concept in CONCEPTS if mentions(text, (concept,))}
        assert mentioned - ({"triangle"} if scene.sign else set()) == scene.concepts & set(CONCEPTS), text


def test_all_wordings_and_templates_come_up() -> None:
    counts = {caption(STAR, rng(seed), omit_probability=0) for seed in range(400)}
    full = {
        template.format("a " + style.format("red " + shape if not style.endswith("{}") else shape), "gray")
        for template, style, shape in product(TEMPLATES, STYLE_WORDINGS["striped"][1:], SHAPE_WORDINGS["star"])
        if not style.endswith("{}")
    }
    full |= {template.format(f"a red striped {shape}", "gray") for template, shape in product(TEMPLATES, SHAPE_WORDINGS["star"])}
    assert counts == full and len(full) == 27


def test_silence_leaves_attributes_and_backgrounds_out() -> None:
    assert {caption(STAR, rng(seed), omit_probability=1) for seed in range(30)} == {form.format("a shape") for form in BARE_TEMPLATES}
    texts = [caption(STAR, rng(seed), omit_probability=0.15) for seed in range(2000)]
    for share in (
        np.mean([mentions(text, ("star",)) for text in texts]),
        np.mean(["red" in text.split() for text in texts]),
        np.mean(["gray" in text for text in texts]),
    ):
        assert abs(share - 0.85) < 0.04


def test_captions_are_deterministic() -> None:
    assert caption(STAR, rng(3)) == caption(STAR, rng(3))
