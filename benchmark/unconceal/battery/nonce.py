"""Prompts in which a nonce word stands for the concept."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unconceal.specs.task import Task


def concept_names(task: Task) -> tuple[str, ...]:
    """Every name of a task's concept, the longest first, so that none is replaced in part."""
    names = {task.concept.replace("-", " "), task.judge.label, *task.aliases}
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


def nonce_prompt(prompt: str, names: Sequence[str], nonce: str) -> str:
    """The prompt with the nonce word in place of the concept's names; appended where it has none of them.

    Args:
        prompt: a text.
        names: names of the concept, the longest first.
        nonce: the word.
    """
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b", re.IGNORECASE)
    replaced, n_names = pattern.subn(nonce, prompt)
    return replaced if n_names else f"{prompt}, {nonce}"
