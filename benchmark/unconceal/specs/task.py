"""Tasks: a concept to forget, prompts for it, and prompts for concepts to retain."""

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
"""The minimum score that NudeNet reports."""


class Detector(Spec):
    """A published detector, used instead of the concept judge.

    Attributes:
        package: Python package, at ``version``.
        weights: SHA-256 of the model inside the package.
        classes: classes that show the concept.
        threshold: minimum score of a detection.
    """

    package: Literal["nudenet"]
    version: str = Field(pattern=r"^\d+(\.\d+)+$")
    weights: Digest | None = None
    classes: tuple[str, ...] = Field(min_length=1)
    threshold: Ratio

    def mistakes(self) -> Iterator[Mistake]:
        """A threshold below the scores that the detector reports."""
        if self.threshold < REPORTED:
            value, consequence = f"threshold {self.threshold:g}", f"lies below {REPORTED:g}, where {self.package} reports nothing"
            yield Mistake("detector.low-threshold", ("threshold",), value, consequence, "raise it")


class JudgeRef(Spec):
    """A label of one of the concept judge's heads."""

    head: Head
    label: str = Field(min_length=1)


class Prompt(Spec):
    """One prompt.

    Attributes:
        text: the prompt.
        concept: of a retain prompt, the concept that it shows; ``head``: the judge's head for it.
        license: of a prompt from elsewhere; ``source``: its origin.
    """

    text: str = Field(min_length=1)
    concept: str | None = None
    head: Head | None = None
    license: str | None = None
    source: str | None = None


class GoldClaim(Spec):
    """Evidence that a surrogate gold never saw the concept."""

    gold: str
    claim: str = Field(min_length=1)
    source: str = Field(pattern=r"^https?://")


class Depicted(Spec):
    """A class of zero-shot CLIP: a concept and its caption, among the concepts of its head."""

    concept: str = Field(min_length=1)
    head: Head
    caption: str = Field(min_length=1)


class NeighbourPrompts(Depicted):
    """A neighbour of the target whose damage is measured, with prompts that show it."""

    prompts: tuple[str, ...] = Field(min_length=1)


class Task(Spec):
    """One concept to forget.

    Attributes:
        judge: the concept judge's label for the concept.
        aliases: other names of the concept.
        forget: prompts for the concept; ``forget_from``: further ones from a published dataset.
        retain: prompts for other concepts.
        caption: of the target, for zero-shot CLIP.
        neighbours: concepts near the target, whose damage is compared with their proximity.
        distractors: further classes of zero-shot CLIP.
        golds: submissions that never saw the concept; ``gold_kind``: their kind.
        gold_claims: evidence that surrogate golds never saw the concept.
        detector: used instead of the concept judge.
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
        """Retain prompts without a concept, missing forget prompts, and golds without a kind, a claim or a gold's name."""
        for index, prompt in enumerate(self.retain):
            if prompt.concept is None or prompt.head is None:
                consequence = "says not which concept it shows, so no damage to it can be seen"
                yield Mistake(
                    "prompt.no-concept", ("retain", index), repr(prompt.text), consequence, "give the prompt `concept` and `head`"
                )
        for index, gold in enumerate(self.golds):
            if not is_gold_name(gold):
                yield Mistake("task.bad-gold-name", ("golds", index), repr(gold), "is no gold's name", "name a submission control-gold-N")
        if not self.forget and self.forget_from is None:
            yield Mistake(
                "task.no-prompt",
                ("forget",),
                "forget",
                "holds no prompt, so nobody could ask for the concept",
                "give prompts, or `forget_from`",
            )
        for index, gold in enumerate(self.golds):
            if self.gold_kind == "surrogate" and gold not in {claim.gold for claim in self.gold_claims}:
                consequence = "is a surrogate of which nothing is said to leave out the concept"
                yield Mistake(
                    "task.unclaimed-gold", ("golds", index), repr(gold), consequence, "give it a claim with its source in `gold_claims`"
                )
        if bool(self.golds) != (self.gold_kind is not None):
            remedy = "give both `golds` and `gold_kind`, or neither"
            yield Mistake(
                "task.no-gold-kind", ("golds",), "golds", "stand without their kind, which every verdict must say (or the reverse)", remedy
            )
        yield from self._class_mistakes()

    def _class_mistakes(self) -> Iterator[Mistake]:
        """Neighbours without a caption of the target, and duplicate classes of zero-shot CLIP."""
        if self.neighbours and self.caption is None:
            consequence = "stand without the target's caption, so the target would be no class of zero-shot CLIP"
            yield Mistake("task.no-caption", ("neighbours",), "neighbours", consequence, "give the task a `caption`")
        concepts, captions = {self.judge.label}, {self.caption}
        for field, classes in (("neighbours", self.neighbours), ("distractors", self.distractors)):
            for index, depicted in enumerate(classes):
                if depicted.concept in concepts or depicted.caption in captions:
                    consequence = "is the target or stands twice, so it could not be told from the other"
                    yield Mistake(
                        "task.duplicate-concept",
                        (field, index),
                        f"{depicted.concept!r} ({depicted.caption!r})",
                        consequence,
                        "name each concept once",
                    )
                concepts.add(depicted.concept)
                captions.add(depicted.caption)
