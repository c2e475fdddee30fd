"""Charts as SVG text that takes its colours from the page. Written by hand, for a site has thousands of them: a few strings each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from markupsafe import Markup, escape

from unconceal.leaderboard.numbers import number
from unconceal.site.bands import Band
from unconceal.specs.record import Curve, Score

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 26
Point = tuple[float, float]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Mark:
    """One point of a scatter: a name, where it stands, and how sure that is."""

    name: str
    x: float
    score: Score


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """From values to pixels."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def curve_chart(own: Curve, band: Band | None, original: Curve | None, title: str, window: tuple[float, float] | None = None) -> Markup:
    """A curve over ψ with its interval, the golds' mean and range, and the original's. ``window``: the range that makes the excess."""
    bottom, top = limits([own.value, own.low, own.high, *([band.low, band.high] if band else []), original.value if original else ()])
    x, y = scale(0, 1, LEFT, WIDTH - RIGHT), scale(bottom, top, HEIGHT - BOTTOM, TOP)
    parts = [_window(window, x), _axes(x, y, bottom, top, "ψ")]
    if original:
        parts.append(_line(_points(original.psi, original.value, x, y), "original"))
    if band:
        parts += [_area(band.psi, band.low, band.high, x, y, "gold-band"), _line(_points(band.psi, band.mean, x, y), "gold")]
    parts += [_area(own.psi, own.low, own.high, x, y, "own-band"), _line(_points(own.psi, own.value, x, y), "own")]
    return _svg(parts, title)


def scatter(marks: Sequence[Mark], title: str, horizontal: str) -> Markup:
    """Points with their intervals and names; at least one."""
    bottom, top = limits([[mark.score.value for mark in marks], (0.0, 0.1)])
    low, high = min(mark.x for mark in marks), max(mark.x for mark in marks)
    x, y = scale(low - 0.5, high + 0.5, LEFT, WIDTH - RIGHT), scale(bottom, top, HEIGHT - BOTTOM, TOP)
    ticks = range(ceil(low), floor(high) + 1)
    parts = [_axes(x, y, bottom, top, horizontal, ticks), *(_mark(mark, x, y, bottom, top) for mark in marks)]
    return _svg(parts, title)


def dots(rows: Sequence[tuple[str, Score]], title: str) -> Markup:
    """A row a name: its value with its interval, cut off at the chart's edge; a line at 0."""
    step, height = 15, 22 + 15 * len(rows)
    left, right = limits([[score.value for _, score in rows], (-0.2, 0.6)])
    x, bottom = scale(left, right, 84, WIDTH - RIGHT), height - 18
    parts = []
    for tick in rounds(left, right):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="2" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{height - 5}" text-anchor="middle">{number(tick, 1)}</text>')
    for place, (name, score) in enumerate(rows):
        level = 10 + step * place
        parts.append(f'<text class="name" x="78" y="{level + 3}" text-anchor="end">{escape(name[:18])}</text>')
        if score.low is not None and score.high is not None:
            start, end = x(max(score.low, left)), x(min(score.high, right))
            parts.append(f'<line class="reach" x1="{start:.1f}" x2="{end:.1f}" y1="{level}" y2="{level}"/>')
        parts.append(f'<circle class="dot" cx="{x(score.value or 0.0):.1f}" cy="{level}" r="3"/>')
    return _svg(parts, title, height)


def bars(rows: Sequence[tuple[str, float, Score]], title: str) -> Markup:
    """Before and after: for each name a line from one rate to another, on [0, 1]."""
    height, step = 30 + 24 * len(rows), 24
    x = scale(0, 1, 110, WIDTH - 16)
    parts = [f'<line class="axis" x1="{x(0):g}" x2="{x(1):g}" y1="{height - 18}" y2="{height - 18}"/>']
    parts += [f'<text class="tick" x="{x(tick):g}" y="{height - 5}" text-anchor="middle">{number(tick, 1)}</text>' for tick in (0, 0.5, 1)]
    for place, (name, before, after) in enumerate(rows):
        level = 16 + step * place
        value = after.value or 0.0
        parts.append(
            f'<text class="name" x="4" y="{level + 4}">{escape(name[:18])}</text>'
            f'<line class="own" x1="{x(before):.1f}" x2="{x(value):.1f}" y1="{level}" y2="{level}"/>'
            f'<circle class="hollow" cx="{x(before):.1f}" cy="{level}" r="4"/><circle class="dot" cx="{x(value):.1f}" cy="{level}" r="4"/>'
        )
    return _svg(parts, title, height)


def limits(columns: Iterable[Iterable[float | None]]) -> Point:
    """The least and largest value, with a little air; never an empty range."""
    values = [value for column in columns for value in column if value is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = 0.06 * (high - low) or 0.5
    return low - air, high + air


def _points(psi: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale) -> list[list[Point]]:
    """Runs of points, broken where there is no value."""
    runs: list[list[Point]] = [[]]
    for at, value in zip(psi, values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(at), y(value)))
    return [run for run in runs if run]


def _line(runs: list[list[Point]], kind: str) -> str:
    return "".join(f'<polyline class="{kind}" points="{_written(run)}"/>' for run in runs)


def _area(psi: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], x: Scale, y: Scale, kind: str) -> str:
    """The room between two curves where both are known."""
    known = [(at, one, other) for at, one, other in zip(psi, low, high, strict=True) if one is not None and other is not None]
    edge = [(x(at), y(one)) for at, one, _ in known] + [(x(at), y(other)) for at, _, other in reversed(known)]
    return f'<polygon class="{kind}" points="{_written(edge)}"/>' if known else ""


def _written(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _window(window: tuple[float, float] | None, x: Scale) -> str:
    if window is None:
        return ""
    start, end = x(window[0]), x(window[1])
    return f'<rect class="window" x="{start:.1f}" width="{end - start:.1f}" y="{TOP}" height="{HEIGHT - TOP - BOTTOM}"/>'


def _axes(x: Scale, y: Scale, bottom: float, top: float, label: str, ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)) -> str:
    """Horizontal grid lines at round values, and the ticks of the horizontal axis."""
    parts = []
    for value in rounds(bottom, top):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y(value) + 3.5:.1f}" text-anchor="end">{number(value, 1)}</text>')
    parts += [f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{tick:g}</text>' for tick in ticks]
    parts.append(f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 1}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts)


def rounds(bottom: float, top: float) -> list[float]:
    """Round values within a range, four or so."""
    step = next((step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if (top - bottom) / step <= 6), 100.0)
    first = int(bottom // step) + 1
    return [round(step * place, 6) for place in range(first, int(top // step) + 1)]


def _mark(mark: Mark, x: Scale, y: Scale, bottom: float, top: float) -> str:
    score = mark.score
    if score.value is None:
        return ""
    ends = ""
    if score.low is not None and score.high is not None:
        top_end, low_end = y(min(score.high, top)), y(max(score.low, bottom))
        ends = f'<line class="reach" x1="{x(mark.x):.1f}" x2="{x(mark.x):.1f}" y1="{low_end:.1f}" y2="{top_end:.1f}"/>'
    name = escape(mark.name)
    left = x(mark.x) > 0.7 * WIDTH
    at = f'x="{x(mark.x) + (-5 if left else 5):.1f}" y="{y(score.value) - 4:.1f}" text-anchor="{"end" if left else "start"}"'
    return f'<g>{ends}<circle class="dot" cx="{x(mark.x):.1f}" cy="{y(score.value):.1f}" r="3.5"/><text class="name" {at}>{name}</text></g>'


def _svg(parts: Iterable[str], title: str, height: int = HEIGHT) -> Markup:
    said = escape(title)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}"><title>{said}</title>{"".join(parts)}</svg>')
