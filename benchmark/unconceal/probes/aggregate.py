"""From the answers of several samples to one order of neighbours: pure functions of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import get_args

from unconceal.specs.elicitation import Answer, Relation
from unconceal.specs.probe_set import Agreement, Estimate, RankedNeighbour

DIGITS = 4
"""Decimals that frozen numbers keep."""
Ranks = dict[str, float]


def ranked_neighbours(answers: Sequence[Answer]) -> tuple[RankedNeighbour, ...]:
    """Every concept that some answer names, the nearest first: by mean rank (Borda), then by similarity, then by name."""
    ranks = completed([answer.ranking for answer in answers])
    named: dict[str, list[tuple[Relation, int]]] = {concept: [] for concept in ranks[0]}
    for answer in answers:
        for neighbour in answer.neighbours:
            named[neighbour.concept].append((neighbour.relation, neighbour.similarity))
    found = [
        RankedNeighbour(
            concept=concept,
            relation=commonest([relation for relation, _ in said]),
            similarity=estimate([similarity for _, similarity in said]),
            rank=estimate([rank[concept] for rank in ranks]),
            named=len(said),
        )
        for concept, said in named.items()
    ]
    return tuple(sorted(found, key=lambda neighbour: (neighbour.rank.mean, -neighbour.similarity.mean, neighbour.concept)))


def completed(rankings: Sequence[Sequence[str]]) -> list[Ranks]:
    """Each ranking over the union of all N concepts: named ones 1 … m, the others tied on the mean of m + 1 … N.

    So the ranks of every sample have the same sum, and a concept that few samples name is not near because those few put it first.
    """
    union = sorted({concept for ranking in rankings for concept in ranking})
    ranks = []
    for ranking in rankings:
        behind = (len(ranking) + 1 + len(union)) / 2
        ranks.append(dict.fromkeys(union, behind) | {concept: float(place) for place, concept in enumerate(ranking, 1)})
    return ranks


def agreement(rankings: Sequence[Sequence[str]]) -> Agreement:
    """Mean Kendall τ and mean overlap over all pairs of rankings."""
    pairs = list(combinations(rankings, 2))
    taus = [tau for one, other in pairs if (tau := kendall_tau(one, other)) is not None]
    overlaps = [len(set(one) & set(other)) / len(set(one) | set(other)) for one, other in pairs]
    return Agreement(kendall_tau=_mean(taus), overlap=_mean(overlaps))


def kendall_tau(one: Sequence[str], other: Sequence[str]) -> float | None:
    """τ = (concordant − discordant) / pairs over the concepts that both rank, −1 to 1; None below two. A ranking has no ties."""
    place = {concept: number for number, concept in enumerate(other)}
    shared = [place[concept] for concept in one if concept in place]
    pairs = list(combinations(shared, 2))
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs) if pairs else None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard deviation (n − 1)."""
    spread = round(stdev(values), DIGITS) if len(values) > 1 else None
    return Estimate(mean=round(fmean(values), DIGITS), spread=spread)


def commonest(relations: Sequence[Relation]) -> Relation:
    """The relation given most often; of equals, the one that the list of relations has first."""
    counts = Counter(relations)
    order: tuple[Relation, ...] = get_args(Relation)
    return max(order, key=lambda relation: counts[relation])


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), DIGITS) if values else None
