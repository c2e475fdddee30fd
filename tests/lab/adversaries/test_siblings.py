from __future__ import annotations

import pytest

from unconceal.miniature.captions import mentions
from unconceal.miniature.scene import AMBIGUOUS, HELD_OUT, TARGETS
from unconceal_lab.adversaries.siblings import bare_caption, siblings
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES


@pytest.mark.parametrize("concept", SUBSTITUTES)
def test_siblings_begin_with_the_substitute_and_are_no_targets(concept: str) -> None:
    names = siblings(concept)
    assert names[0] == SUBSTITUTES[concept] and len(set(names)) == len(names) >= 3
    assert not set(names) & {*TARGETS, *HELD_OUT, *AMBIGUOUS}


def test_siblings_are_of_the_concepts_kind() -> None:
    assert siblings("zara") == ("momo", "pip", "kiki", "otto")
    assert {"circle", "ring", "mushroom"} <= set(siblings("star")) and "momo" not in siblings("star")


@pytest.mark.parametrize(("concept", "text"), [("circle", "a circle"), ("halved", "a halved shape"), ("momo", "momo")])
def test_bare_captions_mention_the_concept_alone(concept: str, text: str) -> None:
    assert bare_caption(concept) == text and mentions(text, (concept,))
