"""What θ is asked to draw for a suite's concept judge: every concept that a task may ask about, in prompts that no task has (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from unconceal.specs.judge_training import PLACE, JudgeTraining, Templates
from unconceal.specs.lint_prompts import folded
from unconceal.specs.task import Head, Task

PICTURE = "a picture "
"""How captions begin that stand for a person, a character or a style."""


@dataclass(frozen=True)
class Concept:
    """One label of a head. ``caption`` stands for it when CLIP looks, ``among`` for all that it is held against, itself included.

    ``judged``: whether a task asks the judge for it; others only teach what it is not.
    """

    head: Head
    label: str
    caption: str
    among: tuple[str, ...]
    judged: bool

    @property
    def said(self) -> str:
        """As it stands in a prompt: ``Brad Pitt``, ``a church``, ``in the style of Kilian Eng``; by its name, if the caption lacks it."""
        known = self.label.lower() in self.caption.lower()
        inside = (self.caption if known else worded(self.head, self.label)).removeprefix(PICTURE)
        return inside.removeprefix("of ") if self.head == "subject" else inside


def concepts_of(tasks: Iterable[Task]) -> list[Concept]:
    """Targets, retained concepts and neighbours of all tasks, each once, by head and label."""
    captions: dict[tuple[Head, str], str] = {}
    judged: set[tuple[Head, str]] = set()
    beside: dict[tuple[Head, str], dict[str, None]] = {}
    for task in tasks:
        own = list(_of_task(task))
        for head, label, caption, asked in own:
            key = (head, label)
            if caption or key not in captions:
                captions[key] = caption or worded(head, label)
            if asked:
                judged.add(key)
        for head, label, _, _ in own:
            beside.setdefault((head, label), {}).update(dict.fromkeys(other for of, other, _, _ in own if of == head))
    return [
        Concept(head, label, captions[head, label], tuple(captions[head, other] for other in beside[head, label]), (head, label) in judged)
        for head, label in sorted(captions)
    ]


def _of_task(task: Task) -> Iterator[tuple[Head, str, str | None, bool]]:
    """Head, label, caption where there is one, and whether the judge is asked for it; a task with a detector has no target here."""
    if task.detector is None:
        yield task.judge.head, task.judge.label, task.caption, True
        yield from ((one.head, one.concept, one.caption, False) for one in (*task.neighbours, *task.distractors))
    yield from ((prompt.head, prompt.concept, None, True) for prompt in task.retain if prompt.head and prompt.concept)


def worded(head: Head, label: str) -> str:
    """A caption for a concept that a task names without one."""
    if head == "style":
        return f"a picture in the style of {label}"
    if label[:1].isupper():
        return f"a picture of {label}"
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


@dataclass(frozen=True)
class Asked:
    """Prompts that show a concept (None: none of the head's), and pictures of each."""

    head: Head
    concept: Concept | None
    prompts: tuple[str, ...]
    seeds: int


def asked_of(tasks: Sequence[Task], how: JudgeTraining, held_out: bool) -> list[Asked]:
    """Everything that is drawn for training, or for the gate; no prompt of any task is among it."""
    taken, concepts = prompts_of(tasks), concepts_of(tasks)
    found = []
    for concept in concepts:
        templates = how.templates(concept.head)
        said = [text.replace(PLACE, concept.said) for text in (templates.held_out if held_out else templates.train)]
        seeds = how.seeds if not held_out else how.held_out_seeds if concept.judged else 1
        found.append(Asked(concept.head, concept, tuple(text for text in said if folded(text) not in taken), seeds))
    for head in sorted({concept.head for concept in concepts}):
        without = tuple(text for text in plain(how.templates(head), held_out) if folded(text) not in taken)
        found.append(Asked(head, None, without, how.seeds))
    return [asked for asked in found if asked.prompts]


def plain(templates: Templates, held_out: bool) -> tuple[str, ...]:
    """Prompts that show no concept: every second one is held out."""
    return templates.without[int(held_out) :: 2]


def prompts_of(tasks: Iterable[Task]) -> set[str]:
    """Every prompt that an evaluation draws, without what does not change it."""
    texts = (text for task in tasks for text in _texts(task))
    return {folded(text) for text in texts}


def _texts(task: Task) -> Iterator[str]:
    yield from (prompt.text for prompt in (*task.forget, *task.retain))
    yield from (text for neighbour in task.neighbours for text in neighbour.prompts)
