"""How well each proximity ranker predicts the damage: Spearman's ρ by ranker and measure, with its ceiling (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from unconceal.evaluation.curves import finite_bounds
from unconceal.metrics import damage, rank_correlation
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.probe_results import Measure, NeighbourDamage, ProximityRanker, RankCorrelation
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

MEASURES: tuple[Measure, ...] = get_args(Measure)
CLIP_TEXT, RANDOM = "clip-text", "random"
NO_ORDER = "the damage, or the nearness, is the same for every neighbour"
"""Stored records hold this text, and `results check` compares it."""


def proximity_rankers(
    sets: Mapping[str, ProbeSet], digests: Mapping[str, str], concepts: Sequence[str], caption_similarity: dict[str, float]
) -> Iterator[ProximityRanker]:
    """All rankers: language models, their image ratings where there are any, CLIP's text encoder, and chance."""
    for name, probes in sorted(sets.items()):
        neighbours = [neighbour for neighbour in probes.neighbours if neighbour.concept in concepts]
        similarity = {neighbour.concept: neighbour.similarity.mean for neighbour in neighbours}
        proximity = {neighbour.concept: -neighbour.rank.mean for neighbour in neighbours}
        yield ProximityRanker(name=name, kind="probe-set", digest=digests[name], proximity=proximity, similarity=similarity)
        ratings = {neighbour.concept: neighbour.visual_similarity.mean for neighbour in neighbours if neighbour.visual_similarity}
        if ratings:
            yield ProximityRanker(name=f"{name} (images)", kind="images", digest=digests[name], proximity=ratings, similarity=ratings)
    yield ProximityRanker(name=CLIP_TEXT, kind="clip-text", proximity=caption_similarity)
    yield ProximityRanker(name=RANDOM, kind="random")


def rank_correlations(
    rankers: Iterable[ProximityRanker], damages: Sequence[NeighbourDamage], rules: Probing
) -> tuple[RankCorrelation, ...]:
    """ρ of every ranker with every measure."""
    return tuple(rank_correlation_of(ranker, measure, damages, rules) for ranker in rankers for measure in MEASURES)


def rank_correlation_of(ranker: ProximityRanker, measure: Measure, damages: Sequence[NeighbourDamage], rules: Probing) -> RankCorrelation:
    """ρ over the eligible neighbours that the ranker ranks and whose damage is defined, or the reason why it is undefined."""
    eligible = [neighbour for neighbour in damages if neighbour.eligible]
    by_concept = {neighbour.concept: value for neighbour in eligible if (value := neighbour.damage[measure].value) is not None}
    shared = [concept for concept in by_concept if ranker.kind == "random" or concept in ranker.proximity]
    values = [by_concept[concept] for concept in shared]

    def correlation(rho: Score, p: float | None = None, ties: int | None = None) -> RankCorrelation:
        extra = {name: value for name, value in {"p": p, "ties": ties}.items() if value is not None}
        return RankCorrelation(ranker=ranker.name, measure=measure, rho=rho, **extra)

    def undefined(note: str) -> RankCorrelation:
        return correlation(Score(value=None, n=len(shared), note=note))

    if eligible and not by_concept:
        return undefined(eligible[0].damage[measure].note)
    if len(shared) < rules.min_neighbours:
        return undefined(f"{len(shared)} of {len(damages)} neighbours are eligible and ranked, fewer than {rules.min_neighbours}")
    if ranker.kind == "random":
        interval = rank_correlation.random_order_interval(values, rules.n_resamples)
        if interval is None:
            return undefined("the damage is the same for every neighbour")
        return correlation(Score(value=0.0, low=interval.low, high=interval.high, n=len(shared)))
    rho = rank_correlation.correlate([ranker.proximity[concept] for concept in shared], values, rules.n_resamples)
    if rho is None:
        return undefined(NO_ORDER)
    low, high = finite_bounds(rho.interval)
    note = f"{len(eligible) - len(shared)} eligible neighbours left out" if len(shared) < len(eligible) else ""
    return correlation(Score(value=rho.rho, low=low, high=high, n=rho.n, note=note), rho.p, rho.ties)


def ceilings(damages: Sequence[NeighbourDamage], rules: Probing) -> dict[Measure, Score]:
    """By measure the largest ρ that the split-half reliability of the damage allows, over the eligible neighbours."""
    scores: dict[Measure, Score] = {}
    for measure in MEASURES:
        tables = [neighbour.per_prompt[measure] for neighbour in damages if neighbour.eligible and measure in neighbour.per_prompt]
        prompts = min(map(len, tables), default=0)
        if len(tables) >= rules.min_neighbours and prompts > 1:
            first, second = damage.half_means(tables, damage.split_prompts(len(tables), prompts, rules.n_splits))
            scores[measure] = ceiling_score(first, second, len(tables))
    return scores


def ceiling_score(first: FloatArray, second: FloatArray, n: int) -> Score:
    """The ceiling of ρ; None if the damages have no order."""
    reliability = rank_correlation.split_half(first, second)
    if reliability is None:
        return Score(value=None, n=n, note="the damage has no order")
    return Score(value=reliability.ceiling, n=n, note=f"split-half reliability {reliability.value:.2f}")
