"""How numbers are written for readers: `.42 [.36, .48]`, and a dash where there is none."""

from __future__ import annotations

import math

from unconceal.specs.record import Score

NOTHING = "–"


def is_number(value: float | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 2) -> str:
    """`0.423` as `.42`, `-0.05` as `−.05`, missing or not finite as a dash."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def with_interval(score: Score | None, digits: int = 2) -> str:
    """`.42 [.36, .48]`; without an interval only `.42`."""
    if score is None or not is_number(score.value):
        return NOTHING
    if not (is_number(score.low) and is_number(score.high)):
        return number(score.value, digits)
    return f"{number(score.value, digits)} [{number(score.low, digits)}, {number(score.high, digits)}]"


def span(values: list[float], digits: int = 2) -> str:
    """The mean and the range over several controls: `.12 (.10 to .15)`."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return NOTHING
    mean = number(sum(finite) / len(finite), digits)
    low, high = number(min(finite), digits), number(max(finite), digits)
    return mean if low == high else f"{mean} ({low} to {high})"
