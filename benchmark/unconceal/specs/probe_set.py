"""Probe sets: neighbours and attacks from one language model for one task, aggregated over its samples."""

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
    """File stem of a language model: ``llama-3.1-8b-instruct`` for ``meta-llama/Llama-3.1-8B-Instruct``."""
    last = model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^a-z0-9.]+", "-", last.lower()).strip("-.") or "model"


class Estimate(Spec):
    """Mean and standard deviation (n − 1) over samples; ``std`` is None for a single value."""

    mean: float
    std: float | None = Field(ge=0)


class RankedNeighbour(Spec):
    """A neighbour, aggregated over all samples.

    Attributes:
        relation: the most frequent one.
        similarity: 1–10, over the samples that mention it.
        rank: 1 is the nearest, over all samples; a sample that does not mention it counts with the mean of the ranks behind.
        mentions: number of samples that mention it.
        visual_similarity: 1–10, similarity of θ's images of neighbour and target as rated by the model; None without ratings.
    """

    concept: Concept
    relation: Relation
    similarity: Estimate
    rank: Estimate
    mentions: Count
    visual_similarity: Estimate | None = None


class FrozenAttack(Attack):
    """An attack and the number of its sample."""

    sample: int = Field(ge=0)


class Agreement(Spec):
    """Agreement of samples, as means over pairs; None: no pair to compare.

    Attributes:
        kendall_tau: of the rankings of concepts that both mention, −1 to 1; 1 is the same order.
        overlap: concepts that both mention over those that either mentions, 0 to 1.
    """

    kendall_tau: float | None = Field(ge=-1, le=1)
    overlap: float | None = Field(ge=0, le=1)


class SampleCounts(Spec):
    """Number of samples by outcome; ``replies``: attempts of all samples."""

    requested: Count
    answered: Count
    refused: int = Field(ge=0)
    truncated: int = Field(ge=0)
    invalid: int = Field(ge=0)
    replies: Count

    def mistakes(self) -> Iterator[Mistake]:
        """Outcomes that do not add up to the samples; fewer replies than samples."""
        n_outcomes = self.answered + self.refused + self.truncated + self.invalid
        if n_outcomes != self.requested:
            yield Mistake(
                "tally.wrong-sum",
                ("requested",),
                f"{self.requested} samples",
                f"are not the {n_outcomes} that ended somehow",
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
    """File of the raw replies, beside the set."""

    file: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*\.replies\.jsonl$")
    digest: Digest


class RatingFile(Spec):
    """File of the image ratings, beside the set."""

    file: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*\.image-ratings\.jsonl$")
    digest: Digest


class ProbeSet(ElicitationRequest):
    """Neighbours and attacks from one language model for one target.

    Only ``unconceal probes freeze`` writes it; any change makes a new suite version.

    Attributes:
        neighbours: by mean rank, nearest first.
        n_dropped_attacks: number of attacks that name the target and were dropped.
        ratings: source of ``visual_similarity``; None without ratings.
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
        """Neighbours that are duplicates, are the target, or have impossible numbers; an order that is not by rank."""
        yield from duplicate_neighbours([normalize_name(neighbour.concept) for neighbour in self.neighbours])
        yield from self.neighbours_named_as([self.task.partition("/")[2]])
        for index, neighbour in enumerate(self.neighbours):
            for name, mean, maximum in (("similarity", neighbour.similarity.mean, 10), ("rank", neighbour.rank.mean, len(self.neighbours))):
                if not 1 <= mean <= maximum:
                    yield Mistake(
                        "probes.out-of-range",
                        ("neighbours", index, name),
                        f"{name} {mean:g}",
                        f"is none from 1 to {maximum}",
                        "freeze the replies again",
                    )
            if neighbour.mentions > self.samples.answered:
                value = f"mentions {neighbour.mentions}"
                consequence = f"is more than the {self.samples.answered} samples that answered"
                yield Mistake("probes.out-of-range", ("neighbours", index, "mentions"), value, consequence, "freeze the replies again")
        for index, (nearer, farther) in enumerate(pairwise(self.neighbours)):
            if nearer.rank.mean > farther.rank.mean:
                consequence = "stands before a nearer one, so the list is not the ranking"
                yield Mistake(
                    "probes.not-sorted",
                    ("neighbours", index),
                    f"neighbour {nearer.concept!r}",
                    consequence,
                    "sort by mean rank, or freeze again",
                )

    def neighbours_named_as(self, names: list[str]) -> Iterator[Mistake]:
        """Neighbours that are the target under one of its names."""
        target_names = {normalize_name(name) for name in names}
        for index, neighbour in enumerate(self.neighbours):
            if normalize_name(neighbour.concept) in target_names:
                consequence = "is the target itself, whose loss is no damage"
                yield Mistake(
                    "probes.target-as-neighbour",
                    ("neighbours", index, "concept"),
                    f"neighbour {neighbour.concept!r}",
                    consequence,
                    "remove it",
                )
