"""Who gives up nothing: rows that no other row beats in forgetting, damage and robustness at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unconceal.ranking.paired_comparison import apart
from unconceal.specs.record import Score

Sure = NDArray[np.bool_]


def efficient(axes: Sequence[Sequence[Score | None]], first: Sure) -> list[bool]:
    """For each row whether no other dominates it; ``axes``: per axis the n rows' scores, lower is better.

    A row dominates another if its value is no higher on any axis, and surely lower on at least one: on the first axis by ``first`` (n, n),
    its paired comparisons, on the others if the intervals lie apart. Axes that some row lacks are left out, so that nobody wins by what was
    not measured.
    """
    rows = len(first)
    no_higher, surely = np.ones((rows, rows), bool), np.zeros((rows, rows), bool)
    for place, axis in enumerate(axes):
        known = [score for score in axis if score is not None and score.value is not None]
        if len(known) == rows:
            values = np.array([score.value for score in known], dtype=np.float64)
            no_higher &= values[:, None] <= values[None, :] + 1e-12
            surely |= apart(known) if place else first
    dominated = np.asarray((no_higher & surely).any(axis=0))
    return [not beaten for beaten in dominated.tolist()]
