"""The parameters of a ranking, taken from a suite."""

from __future__ import annotations

from dataclasses import dataclass

from unconceal.specs.suite import Suite

DAMAGE = "retain_drop"
"""The score of damage to retained concepts."""


@dataclass(frozen=True)
class RankingRules:
    """How a table is ranked.

    Attributes:
        primary: the score that ranks; lower is better.
        window: the ψ range of the excess.
        margin: largest excess that counts as none.
        images_per_prompt: images of each forget prompt in the evaluation block.
    """

    primary: str = "excess"
    window: tuple[float, float] = (0.1, 0.6)
    margin: float = 0.1
    images_per_prompt: int = 1

    @classmethod
    def from_suite(cls, suite: Suite | None, tier: str) -> RankingRules:
        """A suite's rules at a tier; the defaults if the suite or the tier is unknown."""
        settings = suite.tier(tier) if suite and suite.has_tier(tier) else None
        if suite is None or settings is None:
            return cls()
        return cls(suite.primary, suite.scores.excess_psi, suite.scores.margin, settings.seeds.evaluation)
