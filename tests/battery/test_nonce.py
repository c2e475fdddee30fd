from __future__ import annotations

import pytest

from battery.small import small_task
from unconceal.battery.nonce import concept_names, nonce_prompt
from unconceal.specs.task import JudgeRef


def test_the_names_are_concept_label_and_aliases_longest_first() -> None:
    task = small_task().model_copy(
        update={"concept": "red-star", "aliases": ("pentagram", "star shape"), "judge": JudgeRef(head="subject", label="star")}
    )
    assert concept_names(task) == ("star shape", "pentagram", "red star", "star")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a star on white", "a wug on white"),
        ("A Star Shape, and a STAR", "A wug, and a wug"),
        ("stars over a starfish", "stars over a starfish, wug"),
        ("a picture", "a picture, wug"),
    ],
)
def test_names_are_replaced_as_whole_words_whatever_their_case(prompt: str, expected: str) -> None:
    assert nonce_prompt(prompt, ("star shape", "star"), "wug") == expected


def test_names_are_no_patterns() -> None:
    assert nonce_prompt("a c++ sign, a cxx sign", ("c.x",), "wug") == "a c++ sign, a cxx sign, wug"
