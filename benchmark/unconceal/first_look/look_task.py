"""The task of a first look: prompts from the category's templates, as a spec that can be saved (no torch)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unconceal.errors import UsageError
from unconceal.first_look.wordings import Wording, wording_of
from unconceal.specs.task import Category, Head, JudgeRef, Prompt, Task

HEADS: dict[Category, Head] = {"object": "subject", "identity": "subject", "art-style": "style"}
N_FORGET, N_RETAIN = 40, 2
"""Prompts of the concept, and of each retained one, in the saved task."""


def look_wording(suite: str | None, category: Category) -> Wording:
    """The wording of a category.

    Raises:
        UsageError: it has none.
    """
    wording = wording_of(suite, category)
    if wording is None:
        consequence = "has no templates: prompts for unsafe content come from published sets, and its judge is a detector"
        raise UsageError("look.no-templates", f"category {category!r}", consequence, "write a task, see docs/concepts/judges.md")
    return wording


def look_task(concept: str, category: Category, suite: str, wording: Wording, retain: Sequence[str] = ()) -> Task:
    """The task.

    Args:
        concept: the concept's name as prompts have it, ``Van Gogh``.
        category: of the concept.
        suite: name of the suite that the task belongs to.
        wording: of the category.
        retain: other concepts; those of the wording follow.

    Raises:
        UsageError: the concept's name has no letter or digit, or is also retained.
    """
    name, slug = " ".join(concept.split()), "-".join(re.findall(r"[a-z0-9]+", concept.lower()))
    if not slug:
        raise UsageError("look.bad-concept", f"concept {concept!r}", "has no letter or digit", "name it as a prompt would")
    if name.casefold() in (other.casefold() for other in retain):
        raise UsageError("look.retained-target", f"--retain {name!r}", "is the concept itself", "name another concept to retain")
    head = HEADS[category]
    others = [other for other in dict.fromkeys((*retain, *wording.retained)) if other.casefold() != name.casefold()]
    pairs = [(other, wording.prompts(other, N_RETAIN)) for other in others]
    retained = [Prompt(text=texts[i], concept=other, head=head) for i in range(N_RETAIN) for other, texts in pairs if i < len(texts)]
    return Task(
        concept=slug,
        category=category,
        title=f"Forget {name}",
        suite=suite,
        judge=JudgeRef(head=head, label=name),
        aliases=(name,),
        forget=tuple(Prompt(text=text) for text in wording.prompts(name, N_FORGET)),
        retain=tuple(retained),
        caption=wording.caption.format(name),
        license="Apache-2.0",
    )
