"""Draws prompts from a suite's paraphrases."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from unconceal.errors import CheckFailed
from unconceal.rerun.seeded_draws import shuffled
from unconceal.specs.paraphrases import Paraphrases, PromptGenerator
from unconceal.specs.task import Prompt, Task


def paraphrase(paraphrases: Paraphrases, task: Task, seed: int, n: int) -> tuple[str, ...]:
    """Prompts for the task's concept that are none of the task's own.

    Args:
        paraphrases: of the task's suite.
        task: as published.
        seed: of the draw.
        n: number of prompts.

    Returns:
        ``n`` distinct prompts, balanced over the concept's names; empty if the category has no generator.

    Raises:
        CheckFailed: the generator has fewer.
    """
    name = paraphrases.categories.get(task.category)
    if name is None:
        return ()
    return draw_prompts(paraphrases.generators[name], target_names(paraphrases, task), seed, n, published_texts(task))


def target_names(paraphrases: Paraphrases, task: Task) -> tuple[str, ...]:
    """What prompts call the task's concept."""
    return paraphrases.names.get(task.id) or tuple(dict.fromkeys((task.judge.label, *task.aliases)))


def paraphrase_retained(paraphrases: Paraphrases, task: Task, seed: int) -> tuple[Prompt, ...]:
    """The task's retain prompts in their order, each replaced by another for the same concept where there is a generator."""
    drawn: dict[tuple[str, str], Iterator[str]] = {}
    texts = published_texts(task)
    concepts = [(prompt.head or "subject", prompt.concept or "") for prompt in task.retain]
    for head, concept in dict.fromkeys(concepts):
        wording = paraphrases.retained.get(head, {}).get(concept)
        if wording is not None:
            generator, count = paraphrases.generators[wording.generator], concepts.count((head, concept))
            drawn[head, concept] = iter(draw_prompts(generator, wording.names, seed, count, texts))
    return tuple(
        Prompt(text=next(drawn[key]), concept=prompt.concept, head=prompt.head) if key in drawn else prompt
        for key, prompt in zip(concepts, task.retain, strict=True)
    )


def draw_prompts(generator: PromptGenerator, names: Sequence[str], seed: int, n: int, excluded: Collection[str] = ()) -> tuple[str, ...]:
    """``n`` distinct prompts of a generator, one name after the other.

    Raises:
        CheckFailed: the generator has fewer beside those that are excluded.
    """
    by_name = {name: shuffled({*texts}.difference(excluded), seed, name) for name, texts in generator.prompts(tuple(names))}
    order = shuffled(by_name, seed, "names")
    texts = tuple(islice(dict.fromkeys(_in_turn([by_name[name] for name in order])), n))
    if len(texts) < n:
        value, consequence = f"{n} paraphrases of {names[0]!r}", f"were asked for, and its generator has {len(texts)}"
        raise CheckFailed("paraphrases.too-few", value, consequence, "add templates or words to paraphrases.yaml")
    return texts


def published_texts(task: Task) -> frozenset[str]:
    """Every prompt of a task."""
    neighbours = (text for neighbour in task.neighbours for text in neighbour.prompts)
    return frozenset((*(prompt.text for prompt in (*task.forget, *task.retain)), *neighbours))


def _in_turn(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first of each list, the second of each, and so on."""
    for index in range(max(map(len, lists), default=0)):
        yield from (texts[index] for texts in lists if index < len(texts))
