"""What θ is asked to draw for a suite's concept judge: every concept that a task may ask about, in prompts that no task has (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from unconceal.specs.judge_training import CONCEPT_SLOT, JudgeTraining, Templates
from unconceal.specs.lint_prompts import normalize
from unconceal.specs.task import Head, Task

CAPTION_PREFIX = "a picture "
"""How captions begin that stand for a person, a character or a style."""


@dataclass(frozen=True)
class JudgeConcept:
    """One label of a head. ``caption`` stands for it when CLIP looks, ``among`` for all that it is held against, itself included.

    ``judged``: whether a task asks the judge for it; others only teach what it is not.
    """

    head: Head
    label: str
    caption: str
    contrast_captions: tuple[str, ...]
    judged: bool

    @property
    def phrase(self) -> str:
        """As it stands in a prompt: ``Brad Pitt``, ``a church``, ``in the style of Kilian Eng``; by its name, if the caption lacks it."""
        known = self.label.lower() in self.caption.lower()
        inside = (self.caption if known else default_caption(self.head, self.label)).removeprefix(CAPTION_PREFIX)
        return inside.removeprefix("of ") if self.head == "subject" else inside


def concepts_of(tasks: Iterable[Task]) -> list[JudgeConcept]:
    """Targets, retained concepts and neighbours of all tasks, each once, by head and label."""
    captions: dict[tuple[Head, str], str] = {}
    judged: set[tuple[Head, str]] = set()
    beside: dict[tuple[Head, str], dict[str, None]] = {}
    for task in tasks:
        own = list(_of_task(task))
        for head, label, caption, asked in own:
            key = (head, label)
            if caption or key not in captions:
                captions[key] = caption or default_caption(head, label)
            if asked:
                judged.add(key)
        for head, label, _, _ in own:
            beside.setdefault((head, label), {}).update(dict.fromkeys(other for of, other, _, _ in own if of == head))
    return [
        JudgeConcept(head, label, captions[head, label], tuple(captions[head, other] for other in beside[head, label]), (head, label) in judged)
        for head, label in sorted(captions)
    ]


def _of_task(task: Task) -> Iterator[tuple[Head, str, str | None, bool]]:
    """Head, label, caption where there is one, and whether the judge is asked for it; a task with a detector has no target here."""
    if task.detector is None:
        yield task.judge.head, task.judge.label, task.caption, True
        yield from ((one.head, one.concept, one.caption, False) for one in (*task.neighbours, *task.distractors))
    yield from ((prompt.head, prompt.concept, None, True) for prompt in task.retain if prompt.head and prompt.concept)


def default_caption(head: Head, label: str) -> str:
    """A caption for a concept that a task names without one."""
    if head == "style":
        return f"a picture in the style of {label}"
    if label[:1].isupper():
        return f"a picture of {label}"
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


@dataclass(frozen=True)
class JudgePrompts:
    """Prompts that show a concept (None: none of the head's), and pictures of each."""

    head: Head
    concept: JudgeConcept | None
    prompts: tuple[str, ...]
    seeds: int


def judge_prompts_of(tasks: Sequence[Task], training: JudgeTraining, held_out: bool) -> list[JudgePrompts]:
    """Everything that is drawn for training, or for the gate; no prompt of any task is among it."""
    taken, concepts = evaluation_prompts(tasks), concepts_of(tasks)
    found = []
    for concept in concepts:
        templates = training.templates(concept.head)
        said = [text.replace(CONCEPT_SLOT, concept.phrase) for text in (templates.held_out if held_out else templates.train)]
        seeds = training.seeds if not held_out else training.held_out_seeds if concept.judged else 1
        found.append(JudgePrompts(concept.head, concept, tuple(text for text in said if normalize(text) not in taken), seeds))
    for head in sorted({concept.head for concept in concepts}):
        without = tuple(text for text in prompts_without_concept(training.templates(head), held_out) if normalize(text) not in taken)
        found.append(JudgePrompts(head, None, without, training.seeds))
    return [asked for asked in found if asked.prompts]


def prompts_without_concept(templates: Templates, held_out: bool) -> tuple[str, ...]:
    """Prompts that show no concept: every second one is held out."""
    return templates.without_concept[int(held_out) :: 2]


def evaluation_prompts(tasks: Iterable[Task]) -> set[str]:
    """Every prompt that an evaluation draws, without what does not change it."""
    texts = (text for task in tasks for text in _texts(task))
    return {normalize(text) for text in texts}


def _texts(task: Task) -> Iterator[str]:
    yield from (prompt.text for prompt in (*task.forget, *task.retain))
    yield from (text for neighbour in task.neighbours for text in neighbour.prompts)
