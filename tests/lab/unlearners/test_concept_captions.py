from __future__ import annotations

import numpy as np
import pytest

from unconceal.miniature.captions import mentions, wordings
from unconceal.miniature.scene import HELD_OUT, SIGN, TARGETS
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES, caption_pair, forms_with_name, scene_with, unrelated_caption

CONCEPTS = (*TARGETS, *HELD_OUT)


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize("to_other", [False, True])
def test_a_pair_differs_in_the_concept_only(concept: str, to_other: bool) -> None:
    rng, other = np.random.default_rng(1), SUBSTITUTES[concept] if to_other else None
    for _ in range(60):
        pair = caption_pair(concept, rng, other)
        assert mentions(pair.text, (concept,)) and not mentions(pair.replacement, (concept,))
        assert other is None or mentions(pair.replacement, (other,))
        rests = (pair.text.replace(pair.form, "", 1), pair.replacement.replace(pair.counterpart, "", 1))
        first, second = (" ".join(rest.split()).replace(" ,", ",") for rest in rests)
        assert first == second


def test_pairs_repeat_with_their_seed() -> None:
    first, second = ([caption_pair("star", np.random.default_rng(seed)) for _ in range(3)] for seed in (5, 5))
    assert first == second


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_wording_comes_up_and_forms_narrow_them(concept: str) -> None:
    rng = np.random.default_rng(2)
    forms = {caption_pair(concept, rng).form for _ in range(80)}
    assert len(forms) == len(wordings(concept))
    assert {caption_pair(concept, rng, forms=forms_with_name(concept)).form for _ in range(80)} < forms
    assert all(concept in form for form in forms_with_name(concept)) and forms_with_name(concept)


def test_silence_leaves_the_name_alone() -> None:
    rng = np.random.default_rng(3)
    texts = {caption_pair("star", rng, forms=("star",), omit_probability=1.0).text for _ in range(40)}
    assert texts == {"a star", "a picture of a star", "a drawing of a star"}


@pytest.mark.parametrize("concept", CONCEPTS)
def test_scenes_show_it_and_unrelated_captions_do_not_call_it(concept: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        scene = scene_with(concept, rng)
        assert concept in scene.concepts and (scene.sign == (concept == SIGN))
        assert not mentions(unrelated_caption(concept, rng), (concept,))


def test_no_concept_is_turned_into_a_target() -> None:
    assert set(SUBSTITUTES) == set(CONCEPTS) and not set(SUBSTITUTES.values()) & set(CONCEPTS)
