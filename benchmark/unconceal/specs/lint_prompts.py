"""Lints a task's prompts: near-duplicates, truncated names, wrong names, missing licenses, too few for a tier."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unconceal.specs.spec import Mistake
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

MIN_TRUNCATED_LETTERS = 3
"""Minimum length of the remainder of a truncated name."""


def lint(task: Task, suite: Suite) -> Iterator[Mistake]:
    """Mistakes of the prompts, and numbers of prompts below those of the suite's tiers."""
    yield from _near_duplicates(task)
    yield from _truncated_names(task)
    yield from _wrong_names(task)
    yield from _unlicensed(task)
    yield from _too_few_for_tiers(task, suite)


def normalize(text: str) -> str:
    """A prompt in lower case, without punctuation and extra spaces."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _near_duplicates(task: Task) -> Iterator[Mistake]:
    first_texts: dict[str, str] = {}
    for split, prompts in (("forget", task.forget), ("retain", task.retain)):
        for index, prompt in enumerate(prompts):
            first = first_texts.setdefault(normalize(prompt.text), prompt.text)
            if first != prompt.text:
                consequence = f"differs from {first!r} in case and punctuation alone, so it would count as two prompts"
                yield Mistake("prompt.near-duplicate", (split, index), repr(prompt.text), consequence, "keep one")


def _truncated_names(task: Task) -> Iterator[Mistake]:
    names = [normalize(name).split() for name in (task.concept, *task.aliases)]
    for index, prompt in enumerate(task.forget):
        words = normalize(prompt.text).split()
        cut = next((end for name in names if (end := truncated_name(words, name)) and [*name[:-1], end] not in names), None)
        if cut:
            yield Mistake(
                "prompt.truncated-name", ("forget", index), repr(prompt.text), f"cuts a name short ({cut!r})", "write the name out"
            )


def truncated_name(words: list[str], name: list[str]) -> str | None:
    """The truncated last word of a name of several words; None if the prompt truncates no name.

    Args:
        words: of the prompt.
        name: words of the name.
    """
    *before, last = name
    if not before:
        return None
    for start in range(len(words) - len(before)):
        end = words[start + len(before)]
        if words[start : start + len(before)] == before and last.startswith(end) and MIN_TRUNCATED_LETTERS <= len(end) < len(last):
            return end
    return None


def _wrong_names(task: Task) -> Iterator[Mistake]:
    """Retain prompts that name another retained concept of the same head and not their own."""
    retained = {(prompt.head, prompt.concept or "") for prompt in task.retain}
    for index, prompt in enumerate(task.retain):
        others = [
            concept
            for head, concept in retained
            if head == prompt.head and concept != prompt.concept and names_concept(prompt.text, concept)
        ]
        if others and not names_concept(prompt.text, prompt.concept or ""):
            consequence = f"says {min(others)!r}, not {prompt.concept!r}, which it claims to show, so its absence would be no damage"
            yield Mistake(
                "prompt.misnamed", ("retain", index), repr(prompt.text), consequence, "name the concept in the prompt, or correct `concept`"
            )


def names_concept(text: str, concept: str) -> bool:
    """Whether a text contains a concept's name as whole words."""
    return re.search(rf"\b{re.escape(normalize(concept))}\b", normalize(text)) is not None


def _unlicensed(task: Task) -> Iterator[Mistake]:
    for split, prompts in (("forget", task.forget), ("retain", task.retain)):
        for index, prompt in enumerate(prompts):
            if prompt.source and not prompt.license:
                consequence = f"is taken from {prompt.source}, but under no license"
                yield Mistake("prompt.no-license", (split, index), repr(prompt.text), consequence, "give its `license`, or write your own")


def _too_few_for_tiers(task: Task, suite: Suite) -> Iterator[Mistake]:
    counts = {
        "forget": len(task.forget) + (task.forget_from.n_prompts if task.forget_from else 0),
        "retain": len(task.retain),
    }
    for name, tier in suite.tiers.items():
        for split, minimum in (("forget", tier.n_prompts), ("retain", tier.n_retain_prompts)):
            if minimum is not None and minimum > counts[split]:
                value = f"{counts[split]} {split} prompts"
                yield Mistake(
                    "task.too-few-prompts",
                    (split,),
                    value,
                    f"are fewer than the {minimum} of tier {name}",
                    "write more, or lower the tier's count",
                )
