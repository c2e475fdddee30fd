"""Charts as SVG that takes its colours from the page's CSS. Written as strings: a site has thousands of charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from unconceal.escape import escape_html
from unconceal.leaderboard.numbers import number
from unconceal.site.control_curves import CurveBand
from unconceal.specs.record import Curve, Score

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 26
"""Margins in pixels."""
PSI_TICKS = (0, 0.25, 0.5, 0.75, 1)
TICK_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
LETTER = 5
"""Width of a letter of a name, in pixels."""
Point = tuple[float, float]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class TitledChart:
    """A chart and its title."""

    title: str
    svg: Markup


def linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Maps values from [low, high] to pixels from [start, end]."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def curve_chart(
    own: Curve, band: CurveBand | None, original: Curve | None, title: str, window: tuple[float, float] | None = None
) -> Markup:
    """A curve over ψ with its confidence interval, the golds' mean and range, and the original's curve.

    Args:
        own: the submission's curve; the line has a gap where a value is missing.
        band: the golds' curves at the same ψ.
        original: the original model's curve.
        title: for screen readers.
        window: the ψ range of the excess, shaded.
    """
    bottom, top = padded_range([own.value, own.low, own.high, *([band.low, band.high] if band else []), original.value if original else ()])
    x, y = linear_scale(0, 1, LEFT, WIDTH - RIGHT), linear_scale(bottom, top, HEIGHT - BOTTOM, TOP)
    parts = [_shaded(window, x), axes(x, y, (bottom, top), "ψ", PSI_TICKS)]
    if original:
        parts.append(_line(_runs(original.psi, original.value, x, y), "original"))
    if band:
        parts += [_area(band.psi, band.low, band.high, x, y, "gold-band"), _line(_runs(band.psi, band.mean, x, y), "gold")]
    parts += [_area(own.psi, own.low, own.high, x, y, "own-band"), _line(_runs(own.psi, own.value, x, y), "own")]
    return svg(parts, title)


def dot_chart(rows: Sequence[tuple[str, Score]], title: str) -> Markup:
    """One labelled row per score: value and confidence interval, clipped at the chart's edge, and a line at 0."""
    step, height = 15, 22 + 15 * len(rows)
    left, right = padded_range([[score.value for _, score in rows], (-0.2, 0.6)])
    margin = min(max([84, *(LETTER * len(label) + 10 for label, _ in rows)]), WIDTH // 2)
    x, bottom = linear_scale(left, right, margin, WIDTH - RIGHT), height - 18
    parts = []
    for tick in round_values(left, right):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="2" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{height - 5}" text-anchor="middle">{number(tick, 1)}</text>')
    for index, (label, score) in enumerate(rows):
        level = 10 + step * index
        parts.append(f'<text class="name" x="{margin - 6}" y="{level + 3}" text-anchor="end">{escape_html(label)}</text>')
        if score.low is not None and score.high is not None:
            start, end = x(max(score.low, left)), x(min(score.high, right))
            parts.append(f'<line class="interval" x1="{start:.1f}" x2="{end:.1f}" y1="{level}" y2="{level}"/>')
        parts.append(f'<circle class="dot" cx="{x(score.value or 0.0):.1f}" cy="{level}" r="3"/>')
    return svg(parts, title, height)


def change_chart(rows: Sequence[tuple[str, float, Score]], title: str) -> Markup:
    """One row per change, its name in full above it: a line from the rate before (hollow) to the rate after, on [0, 1]."""
    step = 30
    height, x = 24 + step * len(rows), linear_scale(0, 1, 10, WIDTH - 16)
    parts = [f'<line class="axis" x1="{x(0):g}" x2="{x(1):g}" y1="{height - 18}" y2="{height - 18}"/>']
    parts += [f'<text class="tick" x="{x(tick):g}" y="{height - 5}" text-anchor="middle">{number(tick, 1)}</text>' for tick in (0, 0.5, 1)]
    for index, (label, before, after) in enumerate(rows):
        level, value = 22 + step * index, after.value or 0.0
        parts.append(
            f'<text class="name" x="4" y="{level - 9}">{escape_html(label)}</text>'
            f'<line class="own" x1="{x(before):.1f}" x2="{x(value):.1f}" y1="{level}" y2="{level}"/>'
            f'<circle class="hollow" cx="{x(before):.1f}" cy="{level}" r="4"/><circle class="dot" cx="{x(value):.1f}" cy="{level}" r="4"/>'
        )
    return svg(parts, title, height)


def padded_range(columns: Iterable[Iterable[float | None]]) -> Point:
    """Minimum and maximum with 6 % padding; never an empty range."""
    values = [value for column in columns for value in column if value is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    padding = 0.06 * (high - low) or 0.5
    return low - padding, high + padding


def axes(
    x: Scale, y: Scale, y_range: Point, label: str, x_ticks: Sequence[float], width: int = WIDTH, height: int = HEIGHT, left: int = LEFT
) -> str:
    """Horizontal grid lines at round values, the ticks of the horizontal axis and its label."""
    parts, values = [], round_values(*y_range)
    decimals = 1 if all(round(value, 1) == value for value in values) else 2
    for value in values:
        parts.append(f'<line class="grid" x1="{left}" x2="{width - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 5}" y="{y(value) + 3.5:.1f}" text-anchor="end">{number(value, decimals)}</text>')
    parts += [f'<text class="tick" x="{x(tick):.1f}" y="{height - 12}" text-anchor="middle">{tick:g}</text>' for tick in x_ticks]
    parts.append(
        f'<text class="tick" x="{(left + width - RIGHT) / 2:.0f}" y="{height - 1}" text-anchor="middle">{escape_html(label)}</text>'
    )
    return "".join(parts)


def round_values(bottom: float, top: float) -> list[float]:
    """At most six or so round values within a range."""
    step = next((step for step in TICK_STEPS if (top - bottom) / step <= 6), 100.0)
    first = int(bottom // step) + 1
    return [round(step * multiple, 6) for multiple in range(first, int(top // step) + 1)]


def svg(parts: Iterable[str], title: str, height: int = HEIGHT, width: int = WIDTH) -> Markup:
    """The SVG element. ``title``: for screen readers."""
    label = escape_html(title)
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><title>{label}</title>{"".join(parts)}</svg>')


def _runs(psi: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale) -> list[list[Point]]:
    """Runs of points, interrupted where a value is missing."""
    runs: list[list[Point]] = [[]]
    for ratio, value in zip(psi, values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(ratio), y(value)))
    return [run for run in runs if run]


def _line(runs: list[list[Point]], css_class: str) -> str:
    return "".join(f'<polyline class="{css_class}" points="{_coordinates(run)}"/>' for run in runs)


def _area(psi: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], x: Scale, y: Scale, css_class: str) -> str:
    """The area between two curves where both have a value."""
    bounds = [(ratio, lower, upper) for ratio, lower, upper in zip(psi, low, high, strict=True) if lower is not None and upper is not None]
    edge = [(x(ratio), y(lower)) for ratio, lower, _ in bounds] + [(x(ratio), y(upper)) for ratio, _, upper in reversed(bounds)]
    return f'<polygon class="{css_class}" points="{_coordinates(edge)}"/>' if bounds else ""


def _coordinates(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _shaded(window: tuple[float, float] | None, x: Scale) -> str:
    if window is None:
        return ""
    start, end = x(window[0]), x(window[1])
    return f'<rect class="window" x="{start:.1f}" width="{end - start:.1f}" y="{TOP}" height="{HEIGHT - TOP - BOTTOM}"/>'
