from __future__ import annotations

import numpy as np
import pytest

from unconceal.miniature.captions import mentions, wordings
from unconceal.miniature.scene import HELD_OUT, SIGN, TARGETS
from unconceal_lab.unlearners.concept_captions import OTHER, named, paired, scene_with, unrelated

CONCEPTS = (*TARGETS, *HELD_OUT)


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize("to_other", [False, True])
def test_a_pair_differs_in_the_concept_only(concept: str, to_other: bool) -> None:
    rng, other = np.random.default_rng(1), OTHER[concept] if to_other else None
    for _ in range(60):
        pair = paired(concept, rng, other)
        assert mentions(pair.said, (concept,)) and not mentions(pair.instead, (concept,))
        assert other is None or mentions(pair.instead, (other,))
        rests = (pair.said.replace(pair.form, "", 1), pair.instead.replace(pair.counterpart, "", 1))
        one, two = (" ".join(rest.split()).replace(" ,", ",") for rest in rests)
        assert one == two


def test_pairs_repeat_with_their_seed() -> None:
    one, two = ([paired("star", np.random.default_rng(seed)) for _ in range(3)] for seed in (5, 5))
    assert one == two


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_wording_comes_up_and_forms_narrow_them(concept: str) -> None:
    rng = np.random.default_rng(2)
    forms = {paired(concept, rng).form for _ in range(80)}
    assert len(forms) == len(wordings(concept))
    assert {paired(concept, rng, forms=named(concept)).form for _ in range(80)} < forms
    assert all(concept in form for form in named(concept)) and named(concept)


def test_silence_leaves_the_name_alone() -> None:
    rng = np.random.default_rng(3)
    said = {paired("star", rng, forms=("star",), silence=1.0).said for _ in range(40)}
    assert said == {"a star", "a picture of a star", "a drawing of a star"}


@pytest.mark.parametrize("concept", CONCEPTS)
def test_scenes_show_it_and_unrelated_captions_do_not_call_it(concept: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        scene = scene_with(concept, rng)
        assert concept in scene.concepts and (scene.sign == (concept == SIGN))
        assert not mentions(unrelated(concept, rng), (concept,))


def test_no_concept_is_turned_into_a_target() -> None:
    assert set(OTHER) == set(CONCEPTS) and not set(OTHER.values()) & set(CONCEPTS)
