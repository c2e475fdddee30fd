"""A task: one concept to forget, the prompts that ask for it, and the prompts that must go on working."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.spec import Mistake, Name, Spec

Category = Literal["art-style", "object", "identity", "nsfw"]
Head = Literal["subject", "style"]
GoldKind = Literal["trained-without", "planted", "surrogate"]


class JudgeRef(Spec):
    """What the concept judge looks for: a label of one of its heads."""

    head: Head
    label: str = Field(min_length=1)


class Prompt(Spec):
    """A prompt; retain prompts say which concept it shows and which head of the judge recognises it."""

    text: str = Field(min_length=1)
    concept: str | None = None
    head: Head | None = None


class Task(Spec):
    """One concept to forget. ``aliases``: other wordings of the concept; ``golds``: submissions that never saw it."""

    concept: Name
    category: Category
    title: str = Field(min_length=1)
    suite: Name
    judge: JudgeRef
    aliases: tuple[str, ...] = ()
    forget: tuple[Prompt, ...] = Field(min_length=1)
    retain: tuple[Prompt, ...] = Field(min_length=1)
    golds: tuple[str, ...] = ()
    gold_kind: GoldKind | None = None
    licence: str
    references: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Category and concept: ``object/star``."""
        return f"{self.category}/{self.concept}"

    def mistakes(self) -> Iterator[Mistake]:
        """Retain prompts nobody could judge, and golds that say not what kind they are or have no control's name."""
        for place, prompt in enumerate(self.retain):
            if prompt.concept is None or prompt.head is None:
                consequence = "says not which concept it shows, so no damage to it can be seen"
                yield Mistake(("retain", place), repr(prompt.text), consequence, "give the prompt `concept` and `head`")
        for place, gold in enumerate(self.golds):
            if not gold.startswith("control-gold-"):
                yield Mistake(("golds", place), repr(gold), "is no gold's name", "name a submission control-gold-N")
        if bool(self.golds) != (self.gold_kind is not None):
            remedy = "give both `golds` and `gold_kind`, or neither"
            yield Mistake(("golds",), "golds", "stand without their kind, which every verdict must say (or the reverse)", remedy)
