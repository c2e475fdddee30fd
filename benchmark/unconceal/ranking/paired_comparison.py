"""Paired comparisons of rows: rows of a table share prompts and noise, so differences are taken prompt by prompt.

Source: METRICS, section "Uncertainty". The confidence interval is always a t interval over paired prompt means. From 40 prompts on a single
score takes a bootstrap interval instead; the two agree closely there, and n rows have n² differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unconceal.metrics.battery_excess import battery_excess
from unconceal.metrics.presence import excess_retrieval
from unconceal.metrics.statistics import resolution, t_quantile
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record, Score
from unconceal.specs.suite import DECIDING_ARMS

Floats = NDArray[np.float64]
CONFIDENCE_LEVEL, TOLERANCE = 0.95, 1e-12
BLOCK_ROWS = 256
"""Rows compared with all others at once, which bounds the memory."""


@dataclass(frozen=True)
class PairedComparison:
    """Rows prepared for comparison.

    Attributes:
        scores: the primary score of each of the n rows, with its confidence interval.
        per_prompt: (n, n_prompts) primary score per prompt; None if a row lacks them.
        min_half_width: least half-width of a difference's interval, because a few images that agree are no certainty.
    """

    scores: tuple[Score, ...]
    per_prompt: Floats | None
    min_half_width: float = 0.0

    def significantly_less(self) -> NDArray[np.bool_]:
        """(n, n): whether row i is significantly less than row j, by the paired difference or else by disjoint intervals."""
        if self.per_prompt is None:
            return disjoint_intervals(self.scores)
        return paired_significantly_less(self.per_prompt, self.min_half_width)


def compare_rows(rows: Sequence[ResultRow], table: ResultTable, rules: RankingRules) -> PairedComparison:
    """Prepares rows of one table, each with a primary score, for comparison."""
    scores = tuple(row.record.scores[rules.primary] for row in rows)
    per_prompt = [values for row in rows if (values := _cached_per_prompt(row, table, rules)) is not None]
    if len(per_prompt) < len(rows) or len({len(values) for values in per_prompt}) != 1:
        return PairedComparison(scores, None)
    stacked = np.stack(per_prompt)
    rates = [score.value for row in rows if (score := row.record.scores.get("presence.original")) and score.value]
    half_width = resolution(stacked.shape[1] * rules.images_per_prompt, CONFIDENCE_LEVEL) / min(rates) if rates else 0.0
    return PairedComparison(scores, stacked, half_width)


def paired_significantly_less(per_prompt: Floats, min_half_width: float = 0.0) -> NDArray[np.bool_]:
    """Compares rows by the t interval of their paired differences.

    Args:
        per_prompt: (n, n_prompts) values.
        min_half_width: least half-width of an interval.

    Returns:
        (n, n): whether the 95 % confidence interval of the mean of row j − row i is above 0. All False for a single prompt.
    """
    n_rows, n_prompts = per_prompt.shape
    less = np.zeros((n_rows, n_rows), bool)
    if n_prompts < 2:
        return less
    means, centred = per_prompt.mean(axis=1), per_prompt - per_prompt.mean(axis=1, keepdims=True)
    squares, quantile = (centred**2).sum(axis=1), t_quantile((1 + CONFIDENCE_LEVEL) / 2, n_prompts - 1)
    for start in range(0, n_rows, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        # Var(j − i) = Var(i) + Var(j) − 2 Cov(i, j).
        difference_squares = np.maximum(squares[None, :] + squares[block, None] - 2 * centred[block] @ centred.T, 0.0)
        half_width = np.maximum(quantile * np.sqrt(difference_squares / (n_prompts - 1) / n_prompts), min_half_width)
        less[block] = means[None, :] - means[block, None] > half_width + TOLERANCE
    return less


def disjoint_intervals(scores: Sequence[Score]) -> NDArray[np.bool_]:
    """(n, n): whether interval i ends below interval j. A score without an interval is not significantly less than any."""
    high = np.array([np.inf if score.high is None else score.high for score in scores])
    low = np.array([-np.inf if score.low is None else score.low for score in scores])
    return np.asarray(high[:, None] < low[None, :])


def primary_per_prompt(row: ResultRow, table: ResultTable, rules: RankingRules) -> Floats | None:
    """The primary score of each prompt, (n_prompts,), from the curves; None without curves or golds."""
    if row.per_prompt:
        return np.asarray(row.per_prompt, np.float64)
    golds = [gold for gold in table.golds if gold.record.submission != row.record.submission]
    if rules.primary != "excess" or not golds:
        return None
    probe = _primary_probe(row.record)
    if probe is None:
        return None
    return _arm_excess(row, golds, probe, rules) if probe in DECIDING_ARMS else _probe_excess(row, golds, probe, rules)


def _primary_probe(record: Record) -> str | None:
    """The probe whose excess is the largest, as in the record's primary score."""
    values = {name.removeprefix("excess."): score.value for name, score in record.scores.items() if name.startswith("excess.")}
    return max((name for name, value in values.items() if value is not None), key=lambda name: values[name] or 0.0, default=None)


def _probe_excess(row: ResultRow, golds: Sequence[ResultRow], probe: str, rules: RankingRules) -> Floats | None:
    """The excess per prompt under a probe of the battery."""
    rate = row.record.scores.get("presence.original")
    if rate is None or not rate.value:
        return None
    batteries = [gold.record.battery for gold in golds]
    return battery_excess(row.record.battery, batteries, (probe,), rate.value, 0.0, rules.margin).excess.get(probe)


def _cached_per_prompt(row: ResultRow, table: ResultTable, rules: RankingRules) -> Floats | None:
    """:func:`primary_per_prompt`, computed once for a task, a category and the whole suite."""
    key = (row.record.submission, rules)
    if key not in table.cache:
        table.cache[key] = primary_per_prompt(row, table, rules)
    values: Floats | None = table.cache[key]
    return values


def _arm_excess(row: ResultRow, golds: Sequence[ResultRow], arm: str, rules: RankingRules) -> Floats | None:
    curves = [model.record.find_curve("presence", arm) for model in (row, *golds)]
    if any(curve is None or not curve.per_prompt for curve in curves):
        return None
    own, *gold_values = (np.asarray(curve.per_prompt, np.float64) for curve in curves if curve is not None)
    rate = row.record.scores.get("presence.original")
    assert curves[0] is not None
    if rate is None or not rate.value or any(values.shape != own.shape for values in gold_values):
        return None
    return excess_retrieval(curves[0].psi, own, np.stack(gold_values), rate.value, rules.window)
