"""What a ranking goes by: a suite's own values."""

from __future__ import annotations

from dataclasses import dataclass

from unconceal.specs.suite import Suite

DAMAGE = "retain_fall"


@dataclass(frozen=True)
class Rules:
    """``primary``: the score that ranks, lower is better; ``window``: the range of ψ behind it; ``images``: pictures per forget prompt."""

    primary: str = "excess"
    window: tuple[float, float] = (0.1, 0.6)
    images: int = 1

    @classmethod
    def of(cls, suite: Suite | None, tier: str) -> Rules:
        """A suite's rules at a tier; the defaults where the suite has moved on to another version."""
        found = suite.tiers.get(tier) if suite else None  # type: ignore[call-overload]
        if suite is None or found is None:
            return cls()
        return cls(suite.primary, suite.scores.excess_psi, found.seeds.evaluation)
