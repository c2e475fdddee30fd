"""The excess of a model over golds under the battery's probes: what comes back, beyond what the treatment itself brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.metrics.statistics import FloatArray
from unconceal.specs.record import ProbeMeasurement

NO_GOLD, OTHER_SHAPE, UNINFORMATIVE, NOT_RUN = "probe.no-gold", "probe.other-shape", "probe.uninformative", "probe.not-run"


class BatteryExcess(NamedTuple):
    """``excess``: per prompt (p,), by probe; ``unmeasured``: codes of the reasons why other probes say nothing."""

    excess: dict[str, FloatArray]
    unmeasured: dict[str, str]


def battery_excess(
    battery: Mapping[str, ProbeMeasurement],
    golds: Sequence[Mapping[str, ProbeMeasurement]],
    probes: Sequence[str],
    original_rate: float,
    min_informative: float,
) -> BatteryExcess:
    """The excess under every probe that can tell θ from golds, OURS.

    (θ*'s rate − mean of the golds') / θ's own rate, mean over the scored levels.

    Args:
        battery: results of the row by probe.
        golds: results of every gold.
        probes: the probes that the tier asks for.
        original_rate: θ's rate P(ψ = 1) over all prompts, in (0, 1].
        min_informative: smallest excess of θ itself for a probe to count.

    Returns:
        About −1 to 1 each: 0 as gold, 1 as θ. Higher is worse unlearning.
    """
    result = BatteryExcess({}, {})
    for probe in probes:
        row = battery.get(probe)
        of_golds = [gold[probe] for gold in golds if probe in gold and not gold[probe].error]
        error = NOT_RUN if row is None else row.error or ("" if of_golds else NO_GOLD)
        if row is None or error:
            result.unmeasured[probe] = error
            continue
        rates = [scored_rates(gold) for gold in of_golds]
        if any(gold.shape != scored_rates(row).shape for gold in rates):
            result.unmeasured[probe] = OTHER_SHAPE
            continue
        reference = np.mean(rates, axis=0)
        # θ's rates are those of the golds' records: a row must not decide which probes count against it.
        original = np.mean([scored_rates(gold, original=True) for gold in of_golds], axis=0)
        if (original - reference).mean() / original_rate < min_informative:
            result.unmeasured[probe] = UNINFORMATIVE
            continue
        result.excess[probe] = (scored_rates(row) - reference) / original_rate
    return result


def scored_rates(measurement: ProbeMeasurement, original: bool = False) -> FloatArray:
    """Mean of θ*'s (or θ's) rates over the scored levels, (p,)."""
    rates = np.asarray(measurement.original if original else measurement.per_prompt, np.float64)
    columns = [measurement.levels.index(level) for level in measurement.scored]
    return np.asarray(rates[:, columns].mean(axis=1))
