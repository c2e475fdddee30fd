"""How far each orderer foretold the damage: Spearman's ρ by orderer and measure and its ceiling, or why there is none (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from unconceal.evaluation.assemble import finite_bounds
from unconceal.metrics import damage, rank_correlation
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.probe_results import Measure, NeighbourDamage, ProximityRanker, RankCorrelation
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

MEASURES: tuple[Measure, ...] = get_args(Measure)
CLIP_TEXT, RANDOM = "clip-text", "random"


def proximity_rankers(
    sets: Mapping[str, ProbeSet], digests: Mapping[str, str], concepts: Sequence[str], text: dict[str, float]
) -> Iterator[ProximityRanker]:
    """The language models, what they see in pictures where they were shown any, CLIP's text side, and chance."""
    for name, probes in sorted(sets.items()):
        known = [neighbour for neighbour in probes.neighbours if neighbour.concept in concepts]
        similarity = {neighbour.concept: neighbour.similarity.mean for neighbour in known}
        nearness = {neighbour.concept: -neighbour.rank.mean for neighbour in known}
        yield ProximityRanker(name=name, kind="probe-set", digest=digests[name], proximity=nearness, similarity=similarity)
        likeness = {neighbour.concept: neighbour.visual_similarity.mean for neighbour in known if neighbour.visual_similarity}
        if likeness:
            yield ProximityRanker(name=f"{name} (images)", kind="images", digest=digests[name], proximity=likeness, similarity=likeness)
    yield ProximityRanker(name=CLIP_TEXT, kind="clip-text", proximity=text)
    yield ProximityRanker(name=RANDOM, kind="random")


def rank_correlations(orderers: Iterable[ProximityRanker], found: Sequence[NeighbourDamage], rules: Probing) -> tuple[RankCorrelation, ...]:
    """ρ of every orderer with every measure."""
    return tuple(rank_correlation_of(orderer, measure, found, rules) for orderer in orderers for measure in MEASURES)


def rank_correlation_of(orderer: ProximityRanker, measure: Measure, found: Sequence[NeighbourDamage], rules: Probing) -> RankCorrelation:
    """ρ over the eligible neighbours that the orderer names and whose damage has a value, or why there is none."""
    eligible = [one for one in found if one.eligible]
    valued = {one.concept: value for one in eligible if (value := one.damage[measure].value) is not None}
    shared = [concept for concept in valued if orderer.kind == "random" or concept in orderer.proximity]
    values = [valued[concept] for concept in shared]

    def undefined(note: str) -> RankCorrelation:
        return RankCorrelation(ranker=orderer.name, measure=measure, rho=Score(value=None, n=len(shared), note=note))

    if eligible and not valued:
        return undefined(eligible[0].damage[measure].note)
    if len(shared) < rules.min_neighbours:
        return undefined(f"{len(shared)} of {len(found)} neighbours are eligible and named, fewer than {rules.min_neighbours}")
    left = f"{len(eligible) - len(shared)} eligible neighbours left out" if len(shared) < len(eligible) else ""
    if orderer.kind == "random":
        drawn = rank_correlation.random_order_interval(values, rules.n_resamples)
        if drawn is None:
            return undefined("the damage is the same for every neighbour")
        return RankCorrelation(ranker=orderer.name, measure=measure, rho=Score(value=0.0, low=drawn.low, high=drawn.high, n=len(shared)))
    rho = rank_correlation.correlate([orderer.proximity[concept] for concept in shared], values, rules.n_resamples)
    if rho is None:
        return undefined("the damage, or the nearness, is the same for every neighbour")
    low, high = finite_bounds(rho.interval)
    score = Score(value=rho.rho, low=low, high=high, n=rho.n, note=left)
    return RankCorrelation(ranker=orderer.name, measure=measure, rho=score, p=rho.p, ties=rho.ties)


def ceilings(found: Sequence[NeighbourDamage], rules: Probing) -> dict[Measure, Score]:
    """By measure the ρ that the damage's own split halves leave room for, over the eligible neighbours."""
    said: dict[Measure, Score] = {}
    for measure in MEASURES:
        tables = [one.per_prompt[measure] for one in found if one.eligible and measure in one.per_prompt]
        prompts = min(map(len, tables), default=0)
        if len(tables) >= rules.min_neighbours and prompts > 1:
            first, second = damage.half_means(tables, damage.split_prompts(len(tables), prompts, rules.n_splits))
            said[measure] = ceiling_score(first, second, len(tables))
    return said


def ceiling_score(first: FloatArray, second: FloatArray, n: int) -> Score:
    """The ceiling of ρ; None where the damages have no order at all."""
    found = rank_correlation.split_half(first, second)
    if found is None:
        return Score(value=None, n=n, note="the damage has no order")
    return Score(value=found.ceiling, n=n, note=f"split-half reliability {found.value:.2f}")
