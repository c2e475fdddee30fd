"""Paraphrases of a suite's prompts, for fresh re-runs: templates with named slots, beside ``suite.yaml`` so that its digest stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from string import Formatter

from pydantic import Field

from unconceal.specs.spec import Mistake, Name, Spec
from unconceal.specs.task import Category, Head

ANY_NAME, FIRST_NAME, OTHER_NAME = "concept", "label", "alias"
"""Slots for a name of the concept: any of them; the first; any but the first."""
NAME_SLOTS = frozenset({ANY_NAME, FIRST_NAME, OTHER_NAME})


class PromptGenerator(Spec):
    """Templates with named slots.

    Attributes:
        templates: ``a {colour} {concept} on a {background} background``; exactly one slot takes a name of the concept.
        slots: the words of every other slot.
    """

    templates: tuple[str, ...] = Field(min_length=1)
    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def mistakes(self) -> Iterator[Mistake]:
        """Templates without a name, slots without words."""
        for index, template in enumerate(self.templates):
            slots, location = slots_of(template), ("templates", index)
            if len(NAME_SLOTS.intersection(slots)) != 1:
                remedy = f"give it one of {', '.join(f'{{{slot}}}' for slot in sorted(NAME_SLOTS))}"
                yield Mistake("paraphrases.no-name", location, repr(template), "has no single slot for the concept's name", remedy)
            for slot in slots:
                if slot not in NAME_SLOTS and not self.slots.get(slot):
                    yield Mistake("paraphrases.unknown-slot", location, f"slot {slot!r}", "has no words", "give them in `slots`")

    def prompts(self, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each name with all of its prompts."""
        for name in names:
            allowed = {ANY_NAME, FIRST_NAME if name == names[0] else OTHER_NAME}
            fitting = (template for template in self.templates if allowed.intersection(slots_of(template)))
            texts = (text for template in fitting for text in self._filled(template, name))
            yield name, tuple(dict.fromkeys(texts))

    def _filled(self, template: str, name: str) -> Iterator[str]:
        slots = [slot for slot in slots_of(template) if slot not in NAME_SLOTS]
        for words in product(*(self.slots[slot] for slot in slots)):
            yield template.format(**dict.fromkeys(NAME_SLOTS, name), **dict(zip(slots, words, strict=True)))


class RetainedConcept(Spec):
    """A retained concept: the generator of its prompts, and its names."""

    generator: str
    names: tuple[str, ...] = Field(min_length=1)


class Paraphrases(Spec):
    """The prompts that a fresh re-run may draw.

    Attributes:
        categories: the generator of each category's targets; a category that is missing keeps its published prompts.
        names: of a task's concept as prompts call it, by task; default: the judge's label and the aliases.
        retained: by head and concept; a concept that is missing keeps its published prompts.
    """

    suite: Name
    generators: dict[str, PromptGenerator] = Field(default_factory=dict)
    categories: dict[Category, str] = Field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    retained: dict[Head, dict[str, RetainedConcept]] = Field(default_factory=dict)

    def mistakes(self) -> Iterable[Mistake]:
        """Names of generators that do not exist."""
        uses: list[tuple[tuple[str, ...], str]] = [(("categories", name), generator) for name, generator in self.categories.items()]
        for head, concepts in self.retained.items():
            uses += [(("retained", head, name), concept.generator) for name, concept in concepts.items()]
        for location, generator in uses:
            if generator not in self.generators:
                remedy = f"use {', '.join(self.generators)}"
                yield Mistake("paraphrases.unknown-generator", location, f"generator {generator!r}", "does not exist", remedy)


def slots_of(template: str) -> tuple[str, ...]:
    """The distinct slots of a template, in order."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name is not None))
