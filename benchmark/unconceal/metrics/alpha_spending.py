"""Group-sequential levels by alpha spending, after Lan & DeMets, Biometrika 70 (1983), 659 (no torch).

Data are looked at several times, and the first look that decides ends the measurement. Each look then needs a stricter level than a single
test. Crossing probabilities follow the recursion of Armitage, McPherson & Rowe, JRSS A 132 (1969), 235: the score process at look k is that
at look k − 1 plus an independent normal increment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import e, log, sqrt

import numpy as np
from scipy import optimize, stats

from unconceal.metrics.statistics import FloatArray, normal_quantile
from unconceal.specs.sequential import SpendingName

N_NODES = 801
"""Points of the numerical integral."""
FAR = 8.0
"""Standard deviations below 0 at which the density is cut off."""


def pocock(share: float, alpha: float) -> float:
    """Pocock-type: nearly the same level at every look, so that clear cases stop early."""
    return alpha * log(1 + (e - 1) * share)


def obrien_fleming(share: float, alpha: float) -> float:
    """O'Brien–Fleming-type: hardly any error is spent early, so that the last look is almost a single test."""
    return float(2 * stats.norm.sf(normal_quantile(1 - alpha / 2) / sqrt(share)))


SPENDING: Mapping[SpendingName, Callable[[float, float], float]] = {"pocock": pocock, "obrien-fleming": obrien_fleming}
"""Error spent up to a share of the information, (share, α): from 0 at 0 to α at 1."""


@lru_cache(maxsize=1024)
def nominal_levels(alpha: float, shares: tuple[float, ...], spending: SpendingName) -> tuple[float, ...]:
    """One-sided level of the test at each look, so that the probability of any false rejection is ``alpha``.

    Args:
        alpha: one-sided error of the whole procedure, in (0, .5).
        shares: (k,) information at each look as a share of all, ascending to at most 1.
        spending: key of :data:`SPENDING`.

    Returns:
        (k,) levels; (alpha,) for a single look at all information.

    Raises:
        ValueError: the shares do not ascend within (0, 1].
    """
    if list(shares) != sorted(set(shares)) or not shares or shares[0] <= 0 or shares[-1] > 1:
        raise ValueError(f"information shares {shares} do not ascend within (0, 1]")
    spend = SPENDING[spending]
    spent = [0.0, *(spend(share, alpha) for share in shares)]
    bounds: list[float] = []
    process = ScoreProcess()
    for share, error in zip(shares, (later - earlier for earlier, later in pairwise(spent)), strict=True):
        process.advance(share)
        bounds.append(process.bound_for(error))
        process.stop_above(bounds[-1])
    return tuple(float(stats.norm.sf(bound)) for bound in bounds)


class ScoreProcess:
    """Density of the score process, a Brownian motion in the information, of the runs that have not stopped."""

    def __init__(self) -> None:
        self.share = 0.0
        self.grid: FloatArray | None = None
        self.density: FloatArray | None = None
        """On the grid, of the runs that went on; None before the first look: all mass at 0."""
        self.step = 0.0

    def advance(self, share: float) -> None:
        """Go on to the look at ``share``."""
        self.step, self.share = sqrt(share - self.share), share

    def probability_above(self, bound: float) -> float:
        """Probability to have gone on so far and to exceed ``bound`` standard deviations now."""
        limit = bound * sqrt(self.share)
        if self.grid is None or self.density is None:
            return float(stats.norm.sf(limit / self.step))
        return float(np.trapezoid(self.density * stats.norm.sf((limit - self.grid) / self.step), self.grid))

    def bound_for(self, error: float) -> float:
        """The bound that is exceeded now with probability ``error``."""
        return float(optimize.brentq(lambda bound: self.probability_above(bound) - error, 0.0, FAR, xtol=1e-10))

    def stop_above(self, bound: float) -> None:
        """Keep the runs below the bound."""
        deviation = sqrt(self.share)
        grid = np.linspace(-FAR * deviation, bound * deviation, N_NODES)
        if self.grid is None or self.density is None:
            density = stats.norm.pdf(grid / self.step) / self.step
        else:
            kernel = stats.norm.pdf((grid[:, None] - self.grid[None, :]) / self.step) / self.step
            density = np.trapezoid(kernel * self.density, self.grid, axis=1)
        self.grid, self.density = grid, np.asarray(density, np.float64)


@dataclass(frozen=True)
class Look:
    """The look at the data at which a verdict is decided; by default the only one.

    Attributes:
        shares: information at each look as a share of all.
        index: which of them.
        early_spending: of the bounds that convict (the concept is hidden, and comes back), which clear cases pass at once.
        late_spending: of the bounds that acquit (intact, as gold, damaged): they need many prompts, so error is kept for the last look.
        n_probes: number of probes of the whole procedure, some of which may not be measured yet; Holm's method counts them all.
    """

    shares: tuple[float, ...] = (1.0,)
    index: int = 0
    early_spending: SpendingName = "pocock"
    late_spending: SpendingName = "obrien-fleming"
    n_probes: int = 0

    def early_confidence(self, overall: float) -> float:
        """Confidence of a one-sided bound that convicts, so that the bounds of all looks hold together with that of ``overall``."""
        return self._confidence(overall, self.early_spending)

    def late_confidence(self, overall: float) -> float:
        """The same of a bound that acquits."""
        return self._confidence(overall, self.late_spending)

    def _confidence(self, overall: float, spending: SpendingName) -> float:
        if len(self.shares) == 1:
            return overall
        return 1 - nominal_levels(1 - overall, self.shares, spending)[self.index]


SINGLE_LOOK = Look()
"""A verdict from all data at once."""
