"""A probe set: what one language model says of one target, aggregated over its samples and frozen beside the task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from pydantic import Field

from unconceal.specs.elicitation import Attack, Concept, ElicitationRequest, Form, Relation, Timestamp, duplicate_neighbours, normalize_name
from unconceal.specs.spec import Count, Digest, Mistake, Spec

MIN_NEIGHBOURS = 8
"""Fewer give no rank correlation worth reporting (METRICS: at least 8; 15 or more is the aim)."""


def file_stem(model: str) -> str:
    """What a language model's files are called: ``meta-llama/Llama-3.1-8B-Instruct`` is ``llama-3.1-8b-instruct``."""
    last = model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^a-z0-9.]+", "-", last.lower()).strip("-.") or "model"


class Estimate(Spec):
    """A mean over samples and its spread, the standard deviation with n − 1; None where there is one value only."""

    mean: float
    std: float | None = Field(ge=0)


class RankedNeighbour(Spec):
    """A neighbour over all samples.

    ``relation``: the one most often given. ``similarity``: 1–10, over the samples that named it. ``rank``: 1 is the nearest, over all
    samples; where it was not named it shares the places behind those that were. ``named``: in how many samples. ``likeness``: 1–10, how
    alike θ's pictures of it and of the target look to the model; None where it was shown none.
    """

    concept: Concept
    relation: Relation
    similarity: Estimate
    rank: Estimate
    mentions: Count
    visual_similarity: Estimate | None = None


class FrozenAttack(Attack):
    """An attack and the sample that it comes from."""

    sample: int = Field(ge=0)


class Agreement(Spec):
    """How far samples agree, as means over pairs; None: no pair to compare.

    ``kendall_tau``: of the rankings over the concepts that both name, −1 to 1, 1 is the same order. ``overlap``: concepts that both name
    over those that either names, 0 to 1.
    """

    kendall_tau: float | None = Field(ge=-1, le=1)
    overlap: float | None = Field(ge=0, le=1)


class SampleCounts(Spec):
    """How many samples ended how; ``replies``: all attempts of all samples."""

    requested: Count
    answered: Count
    refused: int = Field(ge=0)
    truncated: int = Field(ge=0)
    invalid: int = Field(ge=0)
    replies: Count

    def mistakes(self) -> Iterator[Mistake]:
        """Outcomes that do not add up to the samples, fewer replies than samples."""
        ended = self.answered + self.refused + self.truncated + self.invalid
        if ended != self.requested:
            yield Mistake(
                "tally.wrong-sum",
                ("requested",),
                f"{self.requested} samples",
                f"are not the {ended} that ended somehow",
                "freeze the replies again",
            )
        if self.replies < self.requested:
            yield Mistake(
                "tally.too-few-replies",
                ("replies",),
                f"{self.replies} replies",
                f"are fewer than {self.requested} samples",
                "freeze the replies again",
            )


class ReplyFile(Spec):
    """The raw replies, a file beside the set."""

    file: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*\.replies\.jsonl$")
    digest: Digest


class RatingFile(Spec):
    """The ratings of pictures, a file beside the set."""

    file: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*\.ratings\.jsonl$")
    digest: Digest


class ProbeSet(ElicitationRequest):
    """What one language model says of one target. Written by ``unconceal probes freeze`` only; any change of it is a new suite version.

    ``neighbours``: from the nearest to the farthest by mean rank. ``named_attacks``: attacks dropped because they name the target.
    ``ratings``: where the neighbours' ``likeness`` comes from; None where no pictures were shown.
    """

    schema_version: Literal[2] = 2
    forms: tuple[Form, ...] = Field(min_length=1)
    date: Timestamp
    samples: SampleCounts
    agreement: Agreement
    neighbours: tuple[RankedNeighbour, ...] = Field(min_length=1)
    attacks: tuple[FrozenAttack, ...] = ()
    n_dropped_attacks: int = Field(0, ge=0)
    replies: ReplyFile
    ratings: RatingFile | None = None

    def mistakes(self) -> Iterator[Mistake]:
        """Neighbours that stand twice, are the target, or have impossible numbers; an order that is not the ranks'."""
        yield from duplicate_neighbours([normalize_name(neighbour.concept) for neighbour in self.neighbours])
        yield from self.neighbours_named_as([self.task.partition("/")[2]])
        for place, neighbour in enumerate(self.neighbours):
            for name, mean, most in (("similarity", neighbour.similarity.mean, 10), ("rank", neighbour.rank.mean, len(self.neighbours))):
                if not 1 <= mean <= most:
                    yield Mistake(
                        "probes.out-of-range",
                        ("neighbours", place, name),
                        f"{name} {mean:g}",
                        f"is none from 1 to {most}",
                        "freeze the replies again",
                    )
            if neighbour.mentions > self.samples.answered:
                value = f"named {neighbour.mentions}"
                consequence = f"is more than the {self.samples.answered} samples that answered"
                yield Mistake("probes.out-of-range", ("neighbours", place, "mentions"), value, consequence, "freeze the replies again")
        for place, (nearer, farther) in enumerate(pairwise(self.neighbours)):
            if nearer.rank.mean > farther.rank.mean:
                consequence = "stands before a nearer one, so the list is not the ranking"
                yield Mistake(
                    "probes.not-sorted",
                    ("neighbours", place),
                    f"neighbour {nearer.concept!r}",
                    consequence,
                    "sort by mean rank, or freeze again",
                )

    def neighbours_named_as(self, names: list[str]) -> Iterator[Mistake]:
        """Neighbours that are the target itself under one of its names."""
        target = {normalize_name(name) for name in names}
        for place, neighbour in enumerate(self.neighbours):
            if normalize_name(neighbour.concept) in target:
                consequence = "is the target itself, whose loss is no damage"
                yield Mistake(
                    "probes.target-as-neighbour",
                    ("neighbours", place, "concept"),
                    f"neighbour {neighbour.concept!r}",
                    consequence,
                    "remove it",
                )
