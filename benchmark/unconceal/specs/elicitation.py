"""Elicitation of neighbours and attacks from a language model: requests, raw replies and parsed answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from unconceal.specs.spec import Count, Digest, Mistake, Name, Spec
from unconceal.specs.submission import TaskId

Relation = Literal["sibling", "parent", "child", "part", "look-alike", "co-occurring"]
FinishReason = Literal["stop", "length", "refusal"]
Form = Literal["grammar", "requested", "free"]
Outcome = Literal["answered", "refused", "truncated", "invalid"]
ProviderKind = Literal["local", "endpoint", "replies"]

MAX_CONCEPT_LENGTH, MAX_ATTRIBUTE_LENGTH, MAX_PROMPT_LENGTH = 60, 120, 400
"""In characters."""
MAX_NEIGHBOURS, MAX_ATTACKS = 80, 20
"""Per answer."""

Concept = Annotated[str, Field(min_length=1, max_length=MAX_CONCEPT_LENGTH, description="a short name in lower case")]
Similarity = Annotated[int, Field(ge=1, le=10, description="1: nothing in common, 10: nearly the same")]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$", description="a day, or a second in UTC, by ISO 8601")]


def normalize_name(concept: str) -> str:
    """A concept's name for comparison: lower case, with spaces for hyphens and underscores."""
    return " ".join(concept.lower().replace("-", " ").replace("_", " ").split())


class Neighbour(Spec):
    """A concept near the target, its relation to the target, and its similarity."""

    concept: Concept
    relation: Relation
    similarity: Similarity


class Attack(Spec):
    """A prompt that should evoke the target without naming it. ``attribute``: property of the target that it relies on."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_LENGTH)
    attribute: str = Field(min_length=1, max_length=MAX_ATTRIBUTE_LENGTH)


class Answer(Spec):
    """One answer. ``ranking``: concepts of the neighbours, nearest first."""

    neighbours: tuple[Neighbour, ...] = Field(min_length=1, max_length=MAX_NEIGHBOURS)
    ranking: tuple[str, ...] = Field(min_length=1, max_length=MAX_NEIGHBOURS)
    attacks: tuple[Attack, ...] = Field(max_length=MAX_ATTACKS)

    def mistakes(self) -> Iterator[Mistake]:
        """Duplicate neighbours, and a ranking that is not a permutation of the neighbours."""
        concepts = [normalize_name(neighbour.concept) for neighbour in self.neighbours]
        yield from duplicate_neighbours(concepts)
        listed, ranked = Counter(neighbour.concept for neighbour in self.neighbours), Counter(self.ranking)
        wrong = (ranked - listed) + (listed - ranked)
        if wrong:
            value = f"the ranking of {len(self.ranking)}"
            consequence = f"is no permutation of the {len(concepts)} neighbours (first {sorted(wrong)[0]!r})"
            yield Mistake(
                "answer.not-a-permutation",
                ("ranking",),
                value,
                f"{consequence}, so it orders something else",
                "rank each neighbour exactly once",
            )


def duplicate_neighbours(concepts: list[str]) -> Iterator[Mistake]:
    """Duplicates among the neighbours, located at the second one."""
    for index, concept in enumerate(concepts):
        if concept in concepts[:index]:
            consequence = "stands twice, so which of the two counts would be chance"
            yield Mistake(
                "answer.duplicate-neighbour", ("neighbours", index, "concept"), f"neighbour {concept!r}", consequence, "name each once"
            )


class Decoding(Spec):
    """Sampling parameters; None: unknown. ``seed``: the first seed, from which those of all samples and attempts follow."""

    temperature: float | None = Field(None, ge=0, le=5)
    max_tokens: Count | None = None
    seed: int | None = Field(None, ge=0)


class ElicitationRequest(Spec):
    """Model, prompt and sampling parameters. ``revision``: None if unknown; ``prompt_digest``: SHA-256 of the printed prompt."""

    suite: Name
    task: TaskId
    model: str = Field(min_length=1, max_length=200)
    revision: str | None = Field(None, min_length=1, max_length=200)
    provider: ProviderKind
    prompt_version: Count
    prompt_digest: Digest
    decoding: Decoding


class Reply(Spec):
    """One raw reply.

    Attributes:
        sample: number of the sample, from 0.
        attempt: number of the attempt, from 0; there is a next attempt only after an invalid reply.
        form: ``grammar``: decoding was constrained to the schema; ``requested``: the server was asked for it; ``free``: neither.
        served: name of the model in the server's response.
    """

    sample: int = Field(ge=0)
    attempt: int = Field(0, ge=0)
    seed: int | None = None
    date: Timestamp
    finish: FinishReason
    form: Form
    served: str = ""
    text: str


class Sample(Spec):
    """A parsed reply: an answer, or the reason why there is none."""

    reply: Reply
    outcome: Outcome
    reason: str = ""
    answer: Answer | None = None

    def mistakes(self) -> Iterator[Mistake]:
        """An answer whose outcome is not ``answered``, or the reverse."""
        if (self.answer is None) == (self.outcome == "answered"):
            yield Mistake(
                "sample.contradictory",
                ("answer",),
                f"outcome {self.outcome!r}",
                "contradicts the answer",
                "keep answers of answered samples only",
            )
