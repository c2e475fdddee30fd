"""Results of probe sets for one submission: neighbour damage, its correlation with proximity, and attacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.score import Score
from unconceal.specs.spec import Digest, Line, Mistake, Spec
from unconceal.specs.task import Head

Measure = Literal["clip", "accuracy", "kid"]
RankerKind = Literal["probe-set", "images", "clip-text", "random"]


class NeighbourDamage(Spec):
    """Damage of one neighbour.

    Attributes:
        gate_accuracy: share of θ's gate images in which zero-shot CLIP finds it.
        eligible: whether that reaches the suite's ``min_gate_accuracy``.
        damage: by measure; higher is worse. ``clip``: drop of the cosine with its caption; ``accuracy``: drop of the zero-shot
            accuracy; ``kid``: KID between θ's gate images and θ*'s.
        per_prompt: the first two measures by prompt.
    """

    concept: Line
    head: Head
    gate_accuracy: Score
    eligible: bool
    damage: dict[Measure, Score]
    per_prompt: dict[Measure, tuple[float, ...]] = Field(default_factory=dict)


class ProximityRanker(Spec):
    """A ranking of neighbours.

    Attributes:
        digest: of the frozen probe set; None for other kinds.
        proximity: by concept; higher is nearer.
        similarity: by concept, 1–10.
    """

    name: Line
    kind: RankerKind
    digest: Digest | None = None
    proximity: dict[Line, float] = Field(default_factory=dict)
    similarity: dict[Line, float] = Field(default_factory=dict)


class RankCorrelation(Spec):
    """Spearman's ρ between a ranker's proximity and one measure of damage, over the eligible neighbours that it ranks.

    Attributes:
        rho: ``n``: neighbours; ``note``: reason for no value. The random ranker has value 0; its interval
            covers 95 % of random orders.
        p: two-sided, by permutation.
        ties: number of pairs that are tied in proximity or damage.
    """

    ranker: Line
    measure: Measure
    rho: Score
    p: float | None = Field(None, ge=0, le=1)
    ties: int = Field(0, ge=0)


class AttackOutcome(Spec):
    """One attack.

    Attributes:
        original: share of θ's images (gate seeds) that show the target; ``unlearned``: of θ*'s, None if not eligible.
        eligible: whether θ shows the target in most images.
        succeeded: whether θ* does.
    """

    prompt: str
    attribute: Line
    original: float = Field(ge=0, le=1)
    unlearned: float | None = Field(None, ge=0, le=1)
    eligible: bool
    succeeded: bool


class AttackRate(Spec):
    """Share of a probe set's eligible attacks that succeed.

    Attributes:
        attribute: only attacks by this attribute; None: all.
        gold: mean of the golds.
    """

    probe_set: Line
    attribute: Line | None = None
    rate: Score
    gold: Score | None = None


class ProbeResults(Spec):
    """All measurements with a task's neighbours and probe sets.

    Attributes:
        clip: digest of the CLIP model.
        classes: captions of zero-shot CLIP, by head.
        ceilings: noise ceiling of ρ by measure, from split halves of the damage.
        attacks: by probe set.
    """

    clip: Digest
    classes: dict[Head, tuple[str, ...]]
    neighbours: tuple[NeighbourDamage, ...]
    ceilings: dict[Measure, Score] = Field(default_factory=dict)
    rankers: tuple[ProximityRanker, ...] = ()
    rank_correlations: tuple[RankCorrelation, ...] = ()
    attacks: dict[Line, tuple[AttackOutcome, ...]] = Field(default_factory=dict)
    attack_rates: tuple[AttackRate, ...] = ()

    @property
    def probe_set_digests(self) -> dict[str, str]:
        """Digests of the frozen probe sets, by name."""
        return {ranker.name: ranker.digest for ranker in self.rankers if ranker.kind == "probe-set" and ranker.digest}

    def rho(self, ranker: str, measure: Measure) -> Score | None:
        """A ranker's ρ with a measure; None if it was not computed."""
        correlations = ((item.ranker, item.measure, item.rho) for item in self.rank_correlations)
        return next((rho for name, kind, rho in correlations if (name, kind) == (ranker, measure)), None)

    def mistakes(self) -> Iterator[Mistake]:
        """Correlations of unknown rankers."""
        names = {ranker.name for ranker in self.rankers}
        for index, correlation in enumerate(self.rank_correlations):
            if correlation.ranker not in names:
                consequence = "is no ranker of this record"
                yield Mistake(
                    "probes.unknown-ranker", ("rank_correlations", index), repr(correlation.ranker), consequence, "run the evaluation again"
                )
