"""Which of two rows is surely better: rows of a board share prompts and noise, so their difference is taken prompt by prompt.

Source: METRICS, section "Uncertainty". Always a t interval on paired prompt means: from 40 prompts on, where a single
score takes a bootstrap, the two agree closely, and n rows have n² differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unconceal.metrics.presence import excess
from unconceal.metrics.statistics import resolution, t_quantile
from unconceal.ranking.ranking_rules import Rules
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Curve, Score

Values = NDArray[np.float64]
LEVEL, TINY = 0.95, 1e-12
BLOCK = 256
"""Rows compared with all others at once."""


@dataclass(frozen=True)
class PairedDifference:
    """Rows made comparable. ``table``: (n, p) primary score per prompt, None where a row has none; ``scores``: their means with intervals.

    ``floor``: no difference's interval reaches less far than this to either side: few pictures that agree are no certainty.
    """

    scores: tuple[Score, ...]
    table: Values | None
    floor: float = 0.0

    def surely_less(self) -> NDArray[np.bool_]:
        """(n, n): whether row i is surely less than row j, by the 95 % interval of their paired difference, else by their own intervals."""
        return apart(self.scores) if self.table is None else paired_less(self.table, self.floor)


def compared(rows: Sequence[ResultRow], board: ResultTable, rules: Rules) -> PairedDifference:
    """Rows of one board, each with its primary score."""
    scores = tuple(row.record.scores[rules.primary] for row in rows)
    found = [values for row in rows if (values := _kept(row, board, rules)) is not None]
    if len(found) < len(rows) or len({len(values) for values in found}) != 1:
        return PairedDifference(scores, None)
    table = np.stack(found)
    rates = [score.value for row in rows if (score := row.record.scores.get("presence.original")) and score.value]
    return PairedDifference(scores, table, resolution(table.shape[1] * rules.images, LEVEL) / min(rates) if rates else 0.0)


def paired_less(table: Values, floor: float = 0.0) -> NDArray[np.bool_]:
    """(n, n) from per-prompt values (n, p): the 95 % interval of the mean of j − i lies above 0."""
    rows, prompts = table.shape
    less = np.zeros((rows, rows), bool)
    if prompts < 2:
        return less
    means, centred = table.mean(axis=1), table - table.mean(axis=1, keepdims=True)
    own, width = (centred**2).sum(axis=1), t_quantile((1 + LEVEL) / 2, prompts - 1)
    for start in range(0, rows, BLOCK):
        block = slice(start, start + BLOCK)
        # The variance of a difference is that of both, less twice what they share.
        squares = np.maximum(own[None, :] + own[block, None] - 2 * centred[block] @ centred.T, 0.0)
        half = np.maximum(width * np.sqrt(squares / (prompts - 1) / prompts), floor)
        less[block] = means[None, :] - means[block, None] > half + TINY
    return less


def apart(scores: Sequence[Score]) -> NDArray[np.bool_]:
    """(n, n): i's interval ends below j's. A score without an interval is surely less than nothing."""
    high = np.array([np.inf if score.high is None else score.high for score in scores])
    low = np.array([-np.inf if score.low is None else score.low for score in scores])
    return np.asarray(high[:, None] < low[None, :])


def _kept(row: ResultRow, board: ResultTable, rules: Rules) -> Values | None:
    """:func:`per_prompt`, worked out once for a board, a category and the whole suite."""
    key = (row.record.submission, rules)
    if key not in board.kept:
        board.kept[key] = per_prompt(row, board, rules)
    found: Values | None = board.kept[key]
    return found


def per_prompt(row: ResultRow, board: ResultTable, rules: Rules) -> Values | None:
    """The primary score of each prompt (p,), from the curves; None where there are none, or no gold."""
    if row.per_prompt:
        return np.asarray(row.per_prompt, np.float64)
    golds = [gold for gold in board.golds if gold.record.submission != row.record.submission]
    if rules.primary != "excess" or not golds:
        return None
    arms = [values for arm in ("prompt", "empty") if (values := _excess(row, golds, arm, rules)) is not None]
    return max(arms, key=lambda values: float(values.mean())) if arms else None


def _excess(row: ResultRow, golds: Sequence[ResultRow], arm: str, rules: Rules) -> Values | None:
    curves = [_presence(one, arm) for one in (row, *golds)]
    if any(curve is None or not curve.per_prompt for curve in curves):
        return None
    own, *others = (np.asarray(curve.per_prompt, np.float64) for curve in curves if curve is not None)
    rate = row.record.scores.get("presence.original")
    assert curves[0] is not None
    if rate is None or not rate.value or any(other.shape != own.shape for other in others):
        return None
    return excess(curves[0].psi, own, np.stack(others), rate.value, rules.window)


def _presence(row: ResultRow, arm: str) -> Curve | None:
    return next((curve for curve in row.record.curves if (curve.name, curve.arm, curve.split) == ("presence", arm, "forget")), None)
