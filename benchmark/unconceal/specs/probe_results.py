"""What probe sets found of one submission: its neighbours' damage, how orderers foretold it, and which attacks came through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.score import Score
from unconceal.specs.spec import Digest, Mistake, Spec
from unconceal.specs.task import Head

Measure = Literal["clip", "accuracy", "kid"]
RankerKind = Literal["probe-set", "images", "clip-text", "random"]


class NeighbourDamage(Spec):
    """What became of one neighbour.

    ``gate``: share of θ's gate pictures in which zero-shot CLIP finds it; ``eligible``: whether that reaches the suite's gate.
    ``damage``: by measure, positive is worse: fall of the cosine with its caption, fall of the zero-shot accuracy, and KID between θ's
    gate pictures and θ*'s. ``per_prompt``: the first two, prompt by prompt.
    """

    concept: str
    head: Head
    gate_accuracy: Score
    eligible: bool
    damage: dict[Measure, Score]
    per_prompt: dict[Measure, tuple[float, ...]] = Field(default_factory=dict)


class ProximityRanker(Spec):
    """Who says how near neighbours are. ``digest``: of the frozen set. ``nearness``: by concept, higher is nearer; ``similarity``: 1–10."""

    name: str
    kind: RankerKind
    digest: Digest | None = None
    proximity: dict[str, float] = Field(default_factory=dict)
    similarity: dict[str, float] = Field(default_factory=dict)


class RankCorrelation(Spec):
    """Spearman's ρ of one orderer's nearness and one measure of damage over the eligible neighbours that it names.

    ``rho.n``: neighbours; ``rho.note``: why there is none. ``p``: two-sided, by permutation. ``ties``: pairs tied on either side. Of
    random order, ``rho`` is 0 and its interval where 95 % of random orders fall.
    """

    ranker: str
    measure: Measure
    rho: Score
    p: float | None = Field(None, ge=0, le=1)
    ties: int = Field(0, ge=0)


class AttackOutcome(Spec):
    """One attack. ``original``, ``unlearned``: shares of θ's pictures (gate seeds) and of θ*'s that the concept judge sees the target in.

    ``eligible``: θ shows the target in most of them; only then θ* was asked. ``succeeded``: it does so, too.
    """

    prompt: str
    attribute: str
    original: float = Field(ge=0, le=1)
    unlearned: float | None = Field(None, ge=0, le=1)
    eligible: bool
    succeeded: bool


class AttackRate(Spec):
    """Share of a set's eligible attacks that succeed; ``attribute``: None for all of them. ``gold``: the same of the golds, on average."""

    probe_set: str
    attribute: str | None = None
    rate: Score
    gold: Score | None = None


class ProbeResults(Spec):
    """Everything that was measured with a task's neighbours and probe sets.

    ``classes``: by head, the captions between which zero-shot CLIP chose; ``ceilings``: by measure, the ρ that split halves of the damage
    leave room for. ``attacks``: by probe set.
    """

    clip: Digest
    classes: dict[Head, tuple[str, ...]]
    neighbours: tuple[NeighbourDamage, ...]
    ceilings: dict[Measure, Score] = Field(default_factory=dict)
    rankers: tuple[ProximityRanker, ...] = ()
    rank_correlations: tuple[RankCorrelation, ...] = ()
    attacks: dict[str, tuple[AttackOutcome, ...]] = Field(default_factory=dict)
    attack_rates: tuple[AttackRate, ...] = ()

    @property
    def probe_set_digests(self) -> dict[str, str]:
        """The frozen sets behind it, by name, with their digests."""
        return {orderer.name: orderer.digest for orderer in self.rankers if orderer.kind == "probe-set" and orderer.digest}

    def rho(self, orderer: str, measure: Measure) -> Score | None:
        """One orderer's ρ, None where it was not asked."""
        return next((one.rho for one in self.rank_correlations if (one.ranker, one.measure) == (orderer, measure)), None)

    def mistakes(self) -> Iterator[Mistake]:
        """Orderings of nobody."""
        known = {orderer.name for orderer in self.rankers}
        for place, ordering in enumerate(self.rank_correlations):
            if ordering.ranker not in known:
                consequence = "is no orderer of this record, so nobody knows what it ordered by"
                yield Mistake(
                    "probes.unknown-ranker", ("rank_correlations", place), repr(ordering.ranker), consequence, "run the evaluation again"
                )
