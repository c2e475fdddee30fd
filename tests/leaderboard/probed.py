"""Records with neighbours and attacks, made up: damage falls as the careful orderer says, with so much noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.records import record
from unconceal.specs.probe_results import AttackOutcome, AttackRate, NeighbourDamage, ProbeResults, ProximityRanker, RankCorrelation
from unconceal.specs.record import Record
from unconceal.specs.score import Score

CONCEPTS = tuple(f"concept {number}" for number in range(12))
NEAR = {concept: -float(rank) for rank, concept in enumerate(CONCEPTS)}
MIXED = {concept: float(rank % 5) for rank, concept in enumerate(CONCEPTS)}


def damage(concept: str, value: float, eligible: bool = True) -> NeighbourDamage:
    paired = Score(value=value, n=6)
    return NeighbourDamage(
        concept=concept,
        head="subject",
        gate_accuracy=Score(value=0.9 if eligible else 0.2, n=6),
        eligible=eligible,
        damage={"clip": paired, "accuracy": paired, "kid": Score(value=None, n=4, note="too few")},
    )


def attack(prompt: str, succeeded: bool, eligible: bool = True) -> AttackOutcome:
    output = {"original": 1.0, "unlearned": float(succeeded)} if eligible else {"original": 0.0}
    return AttackOutcome(prompt=prompt, attribute="its shape", eligible=eligible, succeeded=succeeded, **output)


def probed(values: Sequence[float], **changes: object) -> ProbeResults:
    """Twelve neighbours of these damages, of which the last is not eligible; two sets and the baselines."""
    similarity = {concept: max(1.0, 9.0 - path) for path, concept in enumerate(CONCEPTS)}
    rho = Score(value=0.6, low=0.2, high=0.8, n=11)
    orderings = [RankCorrelation(ranker=name, measure="clip", rho=rho, p=0.01) for name in ("careful", "weak", "clip-text")]
    chance = RankCorrelation(ranker="random", measure="clip", rho=Score(value=0, low=-0.5, high=0.5, n=11))
    fields: dict[str, object] = {
        "clip": "c" * 64,
        "classes": {"subject": CONCEPTS},
        "neighbours": tuple(damage(concept, value, concept != CONCEPTS[-1]) for concept, value in zip(CONCEPTS, values, strict=True)),
        "ceilings": {"clip": Score(value=0.77, n=11)},
        "rankers": (
            ProximityRanker(name="careful", kind="probe-set", digest="a" * 64, proximity=NEAR, similarity=similarity),
            ProximityRanker(name="weak", kind="probe-set", digest="b" * 64, proximity=MIXED, similarity=similarity),
            ProximityRanker(name="clip-text", kind="clip-text", proximity=MIXED),
            ProximityRanker(name="random", kind="random"),
        ),
        "rank_correlations": (*orderings, chance),
        "attacks": {"careful": (attack("a <b>five</b>-armed badge", True), attack("a badge", False), attack("a moon", False, False))},
        "attack_rates": (
            AttackRate(probe_set="careful", rate=Score(value=0.5, low=0.1, high=0.9, n=2), gold=Score(value=0.25, n=2)),
            AttackRate(probe_set="weak", rate=Score(value=None, n=0, note="none of 3")),
        ),
    }
    return ProbeResults(**(fields | changes))


def damaged(task: str, submission: str, noise: float = 0.0, seed: int = 0) -> Record:
    """A record whose damage falls from the first concept to the last, with noise."""
    rng = np.random.default_rng(seed)
    values = np.linspace(1, 0, len(CONCEPTS)) + noise * rng.normal(size=len(CONCEPTS))
    return record(submission, task=task, probe_results=probed([float(value) for value in values]))
