"""Number formats for readers: `.42 [.36, .48]`, and a dash for a missing value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unconceal.specs.record import Score

NO_VALUE = "–"


def is_number(value: float | None) -> bool:
    """Whether the value is a finite number."""
    return value is not None and math.isfinite(value)


def number(value: float | None, decimals: int = 2) -> str:
    """`0.423` as `.42`, `-0.05` as `−.05`, missing or not finite as a dash."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    text = f"{abs(value):.{decimals}f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def with_interval(score: Score | None, decimals: int = 2) -> str:
    """`.42 [.36, .48]`; without an interval only `.42`."""
    if score is None or not is_number(score.value):
        return NO_VALUE
    if not (is_number(score.low) and is_number(score.high)):
        return number(score.value, decimals)
    return f"{number(score.value, decimals)} [{number(score.low, decimals)}, {number(score.high, decimals)}]"


def mean_and_range(values: Sequence[float], decimals: int = 2) -> str:
    """The mean and the range over several controls: `.12 (.10 to .15)`."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return NO_VALUE
    mean = number(sum(finite) / len(finite), decimals)
    low, high = number(min(finite), decimals), number(max(finite), decimals)
    return mean if low == high else f"{mean} ({low} to {high})"
