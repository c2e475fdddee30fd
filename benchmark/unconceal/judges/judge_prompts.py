"""Prompts from which θ draws the training and gate images of a suite's concept judge; no task uses them (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from unconceal.specs.judge_training import CONCEPT_SLOT, JudgeTraining, Templates
from unconceal.specs.lint_prompts import normalize
from unconceal.specs.task import Head, Task

CAPTION_PREFIX = "a picture "
"""Start of the captions of persons, characters and styles."""


@dataclass(frozen=True)
class JudgeConcept:
    """One label of a head.

    Attributes:
        head: "subject" or "style".
        label: the concept's name.
        caption: its text for zero-shot CLIP.
        contrast_captions: captions that CLIP compares it with, its own included.
        judged: whether a task scores it; other concepts are negatives only.
    """

    head: Head
    label: str
    caption: str
    contrast_captions: tuple[str, ...]
    judged: bool

    @property
    def phrase(self) -> str:
        """The concept's phrase in a prompt: ``Brad Pitt``, ``a church``, ``in the style of Kilian Eng``."""
        has_name = self.label.lower() in self.caption.lower()
        inside = (self.caption if has_name else default_caption(self.head, self.label)).removeprefix(CAPTION_PREFIX)
        return inside.removeprefix("of ") if self.head == "subject" else inside


def concepts_of(tasks: Iterable[Task]) -> list[JudgeConcept]:
    """Targets, retained concepts, neighbours and distractors of all tasks, each once, sorted by head and label."""
    captions: dict[tuple[Head, str], str] = {}
    judged: set[tuple[Head, str]] = set()
    contrasts: dict[tuple[Head, str], dict[str, None]] = {}
    for task in tasks:
        concepts = list(_task_concepts(task))
        for head, label, caption, scored in concepts:
            key = (head, label)
            if caption or key not in captions:
                captions[key] = caption or default_caption(head, label)
            if scored:
                judged.add(key)
        for head, label, _, _ in concepts:
            same_head = (other for other_head, other, _, _ in concepts if other_head == head)
            contrasts.setdefault((head, label), {}).update(dict.fromkeys(same_head))
    return [
        JudgeConcept(*key, captions[key], tuple(captions[key[0], other] for other in contrasts[key]), key in judged)
        for key in sorted(captions)
    ]


def _task_concepts(task: Task) -> Iterator[tuple[Head, str, str | None, bool]]:
    """Head, label, caption if any, and whether the judge scores it. A task with a detector has no target here."""
    if task.detector is None:
        yield task.judge.head, task.judge.label, task.caption, True
        yield from ((other.head, other.concept, other.caption, False) for other in (*task.neighbours, *task.distractors))
    yield from ((prompt.head, prompt.concept, None, True) for prompt in task.retain if prompt.head and prompt.concept)


def default_caption(head: Head, label: str) -> str:
    """Caption of a concept for which the task gives none."""
    if head == "style":
        return f"a picture in the style of {label}"
    if label[:1].isupper():
        return f"a picture of {label}"
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


@dataclass(frozen=True)
class JudgePrompts:
    """Prompts that show a concept (None: no concept of the head), and the number of seeds of each."""

    head: Head
    concept: JudgeConcept | None
    prompts: tuple[str, ...]
    seeds: int


def judge_prompts_of(tasks: Sequence[Task], training: JudgeTraining, held_out: bool) -> list[JudgePrompts]:
    """Prompts of every concept, for training or for the gate. Prompts that a task evaluates are left out."""
    evaluated, concepts = evaluation_prompts(tasks), concepts_of(tasks)
    groups = []
    for concept in concepts:
        templates = training.templates(concept.head)
        texts = [text.replace(CONCEPT_SLOT, concept.phrase) for text in (templates.held_out if held_out else templates.train)]
        seeds = training.seeds if not held_out else training.held_out_seeds if concept.judged else 1
        groups.append(JudgePrompts(concept.head, concept, tuple(text for text in texts if normalize(text) not in evaluated), seeds))
    for head in sorted({concept.head for concept in concepts}):
        without = tuple(text for text in prompts_without_concept(training.templates(head), held_out) if normalize(text) not in evaluated)
        groups.append(JudgePrompts(head, None, without, training.seeds))
    return [group for group in groups if group.prompts]


def prompts_without_concept(templates: Templates, held_out: bool) -> tuple[str, ...]:
    """Prompts that show no concept: every second one is held out."""
    return templates.without_concept[int(held_out) :: 2]


def evaluation_prompts(tasks: Iterable[Task]) -> set[str]:
    """Every prompt that an evaluation draws, case-folded."""
    texts = (text for task in tasks for text in _texts(task))
    return {normalize(text) for text in texts}


def _texts(task: Task) -> Iterator[str]:
    yield from (prompt.text for prompt in (*task.forget, *task.retain))
    yield from (text for neighbour in task.neighbours for text in neighbour.prompts)
