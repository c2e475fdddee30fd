"""The battery on a result page: what comes back under every probe, for θ, the golds and the submission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.leaderboard.numbers import mean_and_range, number
from unconceal.metrics.battery_excess import measured, read_levels
from unconceal.results.result_tables import ResultRow
from unconceal.site.svg_charts import TitledChart, dot_chart
from unconceal.specs.record import Record, probe_title


class LevelRow(NamedTuple):
    """Rates of one treatment, as text. ``scored``: whether the probe's score was read from it."""

    probe: str
    level: str
    value: str
    golds: str
    original: str
    scored: bool


def battery_rows(record: Record, golds: Sequence[ResultRow], margin: float) -> tuple[LevelRow, ...]:
    """One row per probe and level; a probe that failed has one row with the code of its error. ``margin``: of the suite's scores."""
    return tuple(row for name in record.battery for row in _probe_rows(name, record, golds, margin))


def excess_chart(record: Record) -> TitledChart | None:
    """The excess under every probe of the battery and in both arms of the handover; None without a battery."""
    prefix, title = "excess.", "Excess over golds, by probe"
    scores = [
        (probe_title(name.removeprefix(prefix)), score)
        for name, score in record.scores.items()
        if name.startswith(prefix) and score.value is not None
    ]
    return TitledChart(title, dot_chart(scores, title)) if record.battery and scores else None


def _probe_rows(name: str, record: Record, golds: Sequence[ResultRow], margin: float) -> Iterator[LevelRow]:
    measurement = record.battery[name]
    if measurement.error:
        yield LevelRow(name, measurement.error, number(None), number(None), number(None), False)
        return
    of_golds, rate = measured((gold.record.battery for gold in golds), name), record.scores.get("presence.original")
    # Before there are golds, every level may be read.
    read = read_levels(name, of_golds, rate.value, margin) if of_golds and rate and rate.value else measurement.scored
    for index, level in enumerate(measurement.levels):
        rates = [_rate(gold.per_prompt, index) for gold in of_golds if index < len(gold.levels)]
        value, original = _rate(measurement.per_prompt, index), _rate(measurement.original, index)
        yield LevelRow(name, level, number(value), mean_and_range(rates), number(original), level in read)


def _rate(per_prompt: Sequence[Sequence[float]], level: int) -> float:
    return float(np.mean([rates[level] for rates in per_prompt])) if per_prompt else float("nan")
