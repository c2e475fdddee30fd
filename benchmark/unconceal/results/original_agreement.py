"""What a record says of θ, against what its golds say: θ is the same in every record of a task, so no row may choose its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unconceal.evaluation.curves import ORIGINAL_PRESENCE, PRESENCE
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.record import Record
from unconceal.specs.submission import STANDALONE_FORMAT

MAX_DIFFERENCE: Mapping[str, float] = {"clip": 0.5}
"""Largest mean absolute difference per image by curve; :data:`MAX_RATE_DIFFERENCE` for rates."""
MAX_RATE_DIFFERENCE = 0.05
"""Between machines an image on the border of the judge may fall to the other side. On processors of three kinds none did."""


class OriginalValues(NamedTuple):
    """Values of θ: their name in a record, the limit of their difference, and the values."""

    name: str
    limit: float
    values: FloatArray


def original_values(record: Record) -> Iterator[OriginalValues]:
    """Everything in a record that is of θ alone, (n,) each."""
    for curve in record.curves:
        if not curve.per_prompt:
            continue
        rows = np.asarray(curve.per_prompt, float)
        limit = MAX_DIFFERENCE.get(curve.name, MAX_RATE_DIFFERENCE)
        if curve.name == ORIGINAL_PRESENCE:
            yield OriginalValues(f"curve {curve.key}", limit, rows.ravel())
        elif curve.name in (PRESENCE, "clip") and curve.psi[-1] == 1:
            yield OriginalValues(f"curve {curve.key} at ψ = 1", limit, rows[:, -1])
    for name, measurement in record.battery.items():
        yield OriginalValues(f"battery {name} of the original", MAX_RATE_DIFFERENCE, np.asarray(measurement.original, float).ravel())


def gold_disagreements(record: Record, golds: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Names and texts of values of θ that differ from those in the record of a gold, and of probes that failed for the row alone."""
    own = list(original_values(record))
    for gold in golds:
        of_gold = {name: values for name, _, values in original_values(gold)}
        for name, limit, values in own:
            if name not in of_gold or of_gold[name].shape != values.shape or not values.size:
                continue
            difference = float(np.abs(values - of_gold[name]).mean())
            if not difference <= limit:
                yield name, f"differs by {difference:.3g} from that of {gold.submission}, and θ is the same (at most {limit:g})"
    # Divergence can be a model's own. What else can fail depends on θ and the task, except for surrogates.
    for name, measurement in record.battery.items() if record.checkpoint.format != STANDALONE_FORMAT else ():
        failed = {gold.battery[name].error for gold in golds if name in gold.battery}
        if measurement.error not in (None, "probe.diverged") and failed and measurement.error not in failed:
            yield f"battery {name}", f"failed with {measurement.error}, and with no gold"
