"""A deliberately weak orderer: concepts are near where their names are spelt alike. What a language model says has to beat it."""

from __future__ import annotations

import json
from difflib import SequenceMatcher

from unconceal.specs.elicitation import Answer, Attack, Neighbour
from unconceal.specs.task import Task

NAME = "word-shape"
"""What such sets are called: they are nobody's knowledge."""
ATTACKS, EACH = 12, 2
"""Attacks in all, and of each concept."""


def likeness(one: str, other: str) -> float:
    """difflib's ratio of two names: twice the letters in common, in order, over all letters, 0 to 1."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def answer(task: Task) -> Answer:
    """What the spelling alone says of a task, in the form that language models answer in.

    Its attacks are prompts of the concepts that are spelt most alike: prompts of this world, but about other things.
    """
    target = task.concept.replace("-", " ")
    near = sorted(task.neighbours, key=lambda one: (-likeness(target, one.concept), one.concept))
    neighbours = [
        Neighbour(concept=one.concept, relation="look-alike", similarity=1 + round(9 * likeness(target, one.concept))) for one in near
    ]
    prompts = [text for one in near for text in one.prompts[:EACH]][:ATTACKS]
    return Answer(
        neighbours=tuple(neighbours),
        ranking=tuple(one.concept for one in near),
        attacks=tuple(Attack(prompt=text, attribute="its spelling") for text in prompts),
    )


def reply(task: Task) -> str:
    """The answer as one line, for ``probes elicit --from-replies``."""
    return json.dumps(answer(task).model_dump(mode="json"), ensure_ascii=False)
