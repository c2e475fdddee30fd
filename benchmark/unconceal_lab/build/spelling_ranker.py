"""A weak baseline ranker: neighbours are ranked by the similarity of their names' spelling."""

from __future__ import annotations

import json
from difflib import SequenceMatcher

from unconceal.specs.elicitation import Answer, Attack, Neighbour
from unconceal.specs.task import Task

NAME = "word-shape"
"""Model name of probe sets made by this baseline."""
N_ATTACKS, N_PER_CONCEPT = 12, 2
"""Attacks in total and per concept."""


def spelling_similarity(name: str, other: str) -> float:
    """difflib's ratio of two names, 0 to 1: twice the number of letters in common, in order, over the number of all letters."""
    return SequenceMatcher(None, name, other, autojunk=False).ratio()


def answer(task: Task) -> Answer:
    """The baseline's answer for a task, in the format of language models.

    Its attacks are prompts of the concepts with the most similar names, which are about other things.
    """
    target = task.concept.replace("-", " ")
    ranked = sorted(task.neighbours, key=lambda neighbour: (-spelling_similarity(target, neighbour.concept), neighbour.concept))
    names = [neighbour.concept for neighbour in ranked]
    neighbours = [
        Neighbour(concept=name, relation="look-alike", similarity=1 + round(9 * spelling_similarity(target, name))) for name in names
    ]
    prompts = [text for neighbour in ranked for text in neighbour.prompts[:N_PER_CONCEPT]][:N_ATTACKS]
    return Answer(
        neighbours=tuple(neighbours),
        ranking=tuple(names),
        attacks=tuple(Attack(prompt=text, attribute="its spelling") for text in prompts),
    )


def reply(task: Task) -> str:
    """The answer as one line, for ``probes elicit --from-replies``."""
    return json.dumps(answer(task).model_dump(mode="json"), ensure_ascii=False)
