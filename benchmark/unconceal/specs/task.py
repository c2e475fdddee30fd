"""A task: one concept to forget, the prompts that ask for it, and the prompts that must go on working."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.prompt_set import PromptSet
from unconceal.specs.spec import Digest, Mistake, Name, Ratio, Spec
from unconceal.specs.submission import is_gold_name

Category = Literal["art-style", "object", "identity", "nsfw"]
Head = Literal["subject", "style"]
UNSAFE_CATEGORIES: frozenset[Category] = frozenset({"nsfw"})
"""Categories whose images are blurred and whose prompts are not printed."""
GoldKind = Literal["trained-without", "planted", "surrogate"]
REPORTED = 0.25
"""The least score that NudeNet reports."""


class Detector(Spec):
    """A published detector instead of the concept judge: a package at a version, the classes that count, and from which score they do.

    ``weights``: SHA-256 of the model inside the package. The package itself reports nothing below ``REPORTED``.
    """

    package: Literal["nudenet"]
    version: str = Field(pattern=r"^\d+(\.\d+)+$")
    weights: Digest | None = None
    classes: tuple[str, ...] = Field(min_length=1)
    threshold: Ratio

    def mistakes(self) -> Iterator[Mistake]:
        """A threshold below which nothing is ever reported."""
        if self.threshold < REPORTED:
            value, consequence = f"threshold {self.threshold:g}", f"lies below {REPORTED:g}, where {self.package} reports nothing"
            yield Mistake("detector.low-threshold", ("threshold",), value, consequence, "raise it")


class JudgeRef(Spec):
    """What the concept judge looks for: a label of one of its heads."""

    head: Head
    label: str = Field(min_length=1)


class Prompt(Spec):
    """A prompt; retain prompts say which concept it shows and which head of the judge recognises it.

    ``license``, ``source``: of a prompt that is not this project's own.
    """

    text: str = Field(min_length=1)
    concept: str | None = None
    head: Head | None = None
    license: str | None = None
    source: str | None = None


class GoldClaim(Spec):
    """Why a surrogate never saw the concept, and where that can be read."""

    gold: str
    claim: str = Field(min_length=1)
    source: str = Field(pattern=r"^https?://")


class Depicted(Spec):
    """A concept as zero-shot CLIP looks for it: ``caption`` stands for it among the concepts of its ``head``."""

    concept: str = Field(min_length=1)
    head: Head
    caption: str = Field(min_length=1)


class NeighbourPrompts(Depicted):
    """A neighbour of the target, whose damage is measured, and the prompts that show it; small suites use the first few."""

    prompts: tuple[str, ...] = Field(min_length=1)


class Task(Spec):
    """One concept to forget. ``aliases``: other wordings of the concept; ``golds``: submissions that never saw it.

    ``forget_from``: further forget prompts, of a published data set; ``gold_claims``: why surrogates never saw the concept; ``detector``:
    what judges instead of the concept judge. ``neighbours``: concepts whose damage is set against how near language models say they are;
    ``caption``: the target's, in words like the neighbours'; ``distractors``: concepts that a picture may be taken for beside these.
    """

    concept: Name
    category: Category
    title: str = Field(min_length=1)
    suite: Name
    judge: JudgeRef
    aliases: tuple[str, ...] = ()
    forget: tuple[Prompt, ...] = ()
    forget_from: PromptSet | None = None
    retain: tuple[Prompt, ...] = Field(min_length=1)
    caption: str | None = Field(None, min_length=1)
    neighbours: tuple[NeighbourPrompts, ...] = ()
    distractors: tuple[Depicted, ...] = ()
    golds: tuple[str, ...] = ()
    gold_kind: GoldKind | None = None
    gold_claims: tuple[GoldClaim, ...] = ()
    detector: Detector | None = None
    license: str
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
                yield Mistake(
                    "prompt.no-concept", ("retain", place), repr(prompt.text), consequence, "give the prompt `concept` and `head`"
                )
        for place, gold in enumerate(self.golds):
            if not is_gold_name(gold):
                yield Mistake("task.bad-gold-name", ("golds", place), repr(gold), "is no gold's name", "name a submission control-gold-N")
        if not self.forget and self.forget_from is None:
            yield Mistake(
                "task.no-prompt",
                ("forget",),
                "forget",
                "holds no prompt, so nobody could ask for the concept",
                "give prompts, or `forget_from`",
            )
        for place, gold in enumerate(self.golds):
            if self.gold_kind == "surrogate" and gold not in {claim.gold for claim in self.gold_claims}:
                consequence = "is a surrogate of which nothing is said to leave out the concept"
                yield Mistake(
                    "task.unclaimed-gold", ("golds", place), repr(gold), consequence, "give it a claim with its source in `gold_claims`"
                )
        if bool(self.golds) != (self.gold_kind is not None):
            remedy = "give both `golds` and `gold_kind`, or neither"
            yield Mistake(
                "task.no-gold-kind", ("golds",), "golds", "stand without their kind, which every verdict must say (or the reverse)", remedy
            )
        yield from self._unlike_classes()

    def _unlike_classes(self) -> Iterator[Mistake]:
        """Neighbours without the target's caption beside them, and two concepts that zero-shot CLIP could not tell apart."""
        if self.neighbours and self.caption is None:
            consequence = "stand without the target's caption, so what a picture is taken for would leave out the target"
            yield Mistake("task.no-caption", ("neighbours",), "neighbours", consequence, "give the task a `caption`")
        concepts, captions = {self.judge.label}, {self.caption}
        for field, shown in (("neighbours", self.neighbours), ("distractors", self.distractors)):
            for place, one in enumerate(shown):
                if one.concept in concepts or one.caption in captions:
                    consequence = "is the target or stands twice, so it could not be told from the other"
                    yield Mistake(
                        "task.duplicate-concept",
                        (field, place),
                        f"{one.concept!r} ({one.caption!r})",
                        consequence,
                        "name each concept once",
                    )
                concepts.add(one.concept)
                captions.add(one.caption)
