"""Aggregate the answers of several samples into one ranking of neighbours. Pure functions of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import get_args

from unconceal.specs.elicitation import Answer, Relation
from unconceal.specs.probe_set import Agreement, Estimate, RankedNeighbour

DIGITS = 4
"""Decimals of frozen numbers."""
Ranks = dict[str, float]


def ranked_neighbours(answers: Sequence[Answer]) -> tuple[RankedNeighbour, ...]:
    """All named concepts, nearest first: by mean rank (Borda), then by similarity, then by name."""
    ranks = complete_rankings([answer.ranking for answer in answers])
    ratings_by_concept: dict[str, list[tuple[Relation, int]]] = {concept: [] for concept in ranks[0]}
    for answer in answers:
        for neighbour in answer.neighbours:
            ratings_by_concept[neighbour.concept].append((neighbour.relation, neighbour.similarity))
    neighbours = [
        RankedNeighbour(
            concept=concept,
            relation=most_common_relation([relation for relation, _ in ratings]),
            similarity=estimate([similarity for _, similarity in ratings]),
            rank=estimate([rank[concept] for rank in ranks]),
            mentions=len(ratings),
        )
        for concept, ratings in ratings_by_concept.items()
    ]
    return tuple(sorted(neighbours, key=lambda neighbour: (neighbour.rank.mean, -neighbour.similarity.mean, neighbour.concept)))


def complete_rankings(rankings: Sequence[Sequence[str]]) -> list[Ranks]:
    """Extend each ranking to the union of all N concepts: named ones rank 1 … m, the others share the mean of m + 1 … N.

    All samples then have the same sum of ranks, so a concept that few samples name does not become near because those few rank it first.
    """
    union = sorted({concept for ranking in rankings for concept in ranking})
    ranks = []
    for ranking in rankings:
        behind = (len(ranking) + 1 + len(union)) / 2
        ranks.append(dict.fromkeys(union, behind) | {concept: float(rank) for rank, concept in enumerate(ranking, 1)})
    return ranks


def agreement(rankings: Sequence[Sequence[str]]) -> Agreement:
    """Mean Kendall τ and mean overlap over all pairs of rankings."""
    pairs = list(combinations(rankings, 2))
    taus = [tau for first, second in pairs if (tau := kendall_tau(first, second)) is not None]
    overlaps = [len(set(first) & set(second)) / len(set(first) | set(second)) for first, second in pairs]
    return Agreement(kendall_tau=_mean(taus), overlap=_mean(overlaps))


def kendall_tau(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Kendall τ = (concordant − discordant) / pairs over the shared concepts, in [−1, 1]; None below two. Rankings have no ties."""
    rank = {concept: number for number, concept in enumerate(second)}
    shared = [rank[concept] for concept in first if concept in rank]
    pairs = list(combinations(shared, 2))
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs) if pairs else None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard deviation (n − 1)."""
    spread = round(stdev(values), DIGITS) if len(values) > 1 else None
    return Estimate(mean=round(fmean(values), DIGITS), std=spread)


def most_common_relation(relations: Sequence[Relation]) -> Relation:
    """The most frequent relation; ties go to the first in the order of ``Relation``."""
    counts = Counter(relations)
    order: tuple[Relation, ...] = get_args(Relation)
    return max(order, key=lambda relation: counts[relation])


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), DIGITS) if values else None
