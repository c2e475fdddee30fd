"""The excess of a model over golds under the battery's probes: what comes back, beyond what the treatment itself brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.metrics.statistics import FloatArray
from unconceal.specs.battery import LEARNING_CURVES
from unconceal.specs.record import ProbeMeasurement

NO_GOLD, OTHER_SHAPE, UNINFORMATIVE, NOT_RUN = "probe.no-gold", "probe.other-shape", "probe.uninformative", "probe.not-run"


class BatteryExcess(NamedTuple):
    """What the probes say.

    Attributes:
        excess: per prompt (p,), by probe.
        levels: names of the levels that were read, by probe.
        unmeasured: codes of the reasons why other probes say nothing.
    """

    excess: dict[str, FloatArray]
    levels: dict[str, tuple[str, ...]]
    unmeasured: dict[str, str]


def battery_excess(
    battery: Mapping[str, ProbeMeasurement],
    golds: Sequence[Mapping[str, ProbeMeasurement]],
    probes: Sequence[str],
    original_rate: float,
    min_informative: float,
    margin: float,
) -> BatteryExcess:
    """The excess under every probe that can tell θ from golds, OURS.

    (θ*'s rate − mean of the golds') / θ's own rate, mean over the levels that are read.

    Args:
        battery: results of the row by probe.
        golds: results of every gold.
        probes: the probes that the tier asks for.
        original_rate: θ's rate P(ψ = 1) over all prompts, in (0, 1].
        min_informative: smallest excess of θ itself for a probe to count.
        margin: largest excess that counts as none; see :func:`read_levels`.

    Returns:
        About −1 to 1 each: 0 as gold, 1 as θ. Higher is worse unlearning.
    """
    result = BatteryExcess({}, {}, {})
    for probe in probes:
        row = battery.get(probe)
        of_golds = measured(golds, probe)
        error = NOT_RUN if row is None else row.error or ("" if of_golds else NO_GOLD)
        if row is None or error:
            result.unmeasured[probe] = error
            continue
        if any(shape_of(gold) != shape_of(row) for gold in of_golds):
            result.unmeasured[probe] = OTHER_SHAPE
            continue
        levels = read_levels(probe, of_golds, original_rate, margin)
        reference = mean_rates(of_golds, levels)
        # θ's rates are those of the golds' records: a row must not decide which probes count against it.
        if (mean_rates(of_golds, levels, original=True) - reference).mean() / original_rate < min_informative:
            result.unmeasured[probe] = UNINFORMATIVE
            continue
        result.levels[probe] = levels
        result.excess[probe] = (rates_at(row, levels) - reference) / original_rate
    return result


def measured(batteries: Iterable[Mapping[str, ProbeMeasurement]], probe: str) -> list[ProbeMeasurement]:
    """The results of one probe, of the models on which it did not fail."""
    return [battery[probe] for battery in batteries if probe in battery and not battery[probe].error]


def read_levels(probe: str, golds: Sequence[ProbeMeasurement], original_rate: float, margin: float) -> tuple[str, ...]:
    """The levels whose mean is the probe's score: all that are scored, and of a learning curve one.

    A curve is read at the last step at which the golds' own rate, in units of θ's, is within the margin: training brings any concept back
    in the end, a style after 20 steps and a shape after more than 40. Only golds decide, so no row can choose its step.

    Args:
        probe: its name.
        golds: results of every gold, of one shape.
        original_rate: θ's rate P(ψ = 1) over all prompts, in (0, 1].
        margin: of the suite's scores.

    Returns:
        Names of levels; of a curve that golds leave at once, the first step.
    """
    scored = golds[0].scored
    if probe not in LEARNING_CURVES:
        return scored
    unlearned = [level for level in scored if mean_rates(golds, (level,)).mean() / original_rate <= margin]
    return (unlearned[-1] if unlearned else scored[0],)


def mean_rates(measurements: Sequence[ProbeMeasurement], levels: Sequence[str], original: bool = False) -> FloatArray:
    """Mean of several models' rates (or of θ's in their records) over some levels, (p,)."""
    return np.asarray(np.mean([rates_at(measurement, levels, original) for measurement in measurements], axis=0))


def rates_at(measurement: ProbeMeasurement, levels: Sequence[str], original: bool = False) -> FloatArray:
    """Mean of a model's (or θ's) rates over some levels, (p,)."""
    rates = np.asarray(measurement.original if original else measurement.per_prompt, np.float64)
    return np.asarray(rates[:, [measurement.levels.index(level) for level in levels]].mean(axis=1))


def shape_of(measurement: ProbeMeasurement) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Number of prompts and names of levels: what has to agree for two results to be compared."""
    return len(measurement.per_prompt), measurement.levels, measurement.scored
