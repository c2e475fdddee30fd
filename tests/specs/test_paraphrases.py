from __future__ import annotations

from typing import Any

import pytest

from codes import refuses
from unconceal.specs.paraphrases import Paraphrases, PromptGenerator, slots_of


def paraphrases(**changes: Any) -> Paraphrases:
    generator = {"templates": ["a {colour} {concept}"], "slots": {"colour": ["red", "blue"]}}
    return Paraphrases.model_validate({"suite": "tiny", "generators": {"shape": generator}, "categories": {"object": "shape"}, **changes})


def test_slots_are_filled_in_every_way() -> None:
    prompts = dict(paraphrases().generators["shape"].prompts(("star", "five-pointed figure")))
    assert prompts == {name: (f"a red {name}", f"a blue {name}") for name in ("star", "five-pointed figure")}


def test_a_template_for_the_first_name_or_the_others() -> None:
    generator = PromptGenerator(templates=("a {label} leaf", "a leaf {alias}", "{concept}"))
    assert dict(generator.prompts(("dotted", "with spots"))) == {
        "dotted": ("a dotted leaf", "dotted"),
        "with spots": ("a leaf with spots", "with spots"),
    }


def test_slots_of_a_template() -> None:
    assert slots_of("a {colour} {concept} on {colour}") == ("colour", "concept") and slots_of("plain") == ()


@pytest.mark.parametrize("template", ["a star", "a {concept} or {label}"])
def test_a_template_has_one_name(template: str) -> None:
    with refuses("paraphrases.no-name"):
        PromptGenerator(templates=(template,))


def test_a_slot_has_words() -> None:
    for slots in ({}, {"colour": ()}):
        with refuses("paraphrases.unknown-slot"):
            PromptGenerator(templates=("a {colour} {concept}",), slots=slots)


def test_generators_exist() -> None:
    concept = {"generator": "other", "names": ["circle"]}
    for changes in ({"categories": {"object": "other"}}, {"retained": {"subject": {"circle": concept}}}):
        with refuses("paraphrases.unknown-generator"):
            paraphrases(**changes)
