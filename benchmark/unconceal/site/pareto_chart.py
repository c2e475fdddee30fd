"""Forgetting against damage: one point per submission with both intervals, the Pareto front, and θ and the golds for scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from unconceal.escape import escape_html
from unconceal.leaderboard.numbers import number
from unconceal.ranking.pool import Pool, PoolEntry
from unconceal.site.scatter_chart import spread
from unconceal.site.svg_charts import Scale, linear_scale, padded_range, round_values, svg
from unconceal.specs.record import Score
from unconceal.specs.submission import ORIGINAL, is_gold_name

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 48, 190, 14, 44
LINE_HEIGHT = 13.0
MAX_NAMES = 20
"""Names beside points; with more submissions only those of the front and the controls are named."""


class ParetoPoint(NamedTuple):
    """A submission: its mean excess and retained drop. ``kind``: method, gold or original."""

    name: str
    kind: str
    excess: Score
    drop: Score
    efficient: bool

    @property
    def x(self) -> float:
        return self.excess.value or 0.0

    @property
    def y(self) -> float:
        return self.drop.value or 0.0


def pareto_points(pool: Pool) -> tuple[ParetoPoint, ...]:
    """Every unmarked submission, gold and θ that has both means."""
    return tuple(point for entry in pool.entries if (point := _entry_point(entry)))


def _entry_point(entry: PoolEntry) -> ParetoPoint | None:
    excess, drop = entry.means["forgetting"], entry.means["damage"]
    kind = "gold" if is_gold_name(entry.submission) else "original" if entry.submission == ORIGINAL else "method"
    if excess is None or drop is None or excess.value is None or drop.value is None or (entry.is_control and kind == "method"):
        return None
    return ParetoPoint(entry.submission, kind, excess, drop, entry.efficient)


def pareto_chart(points: Sequence[ParetoPoint], title: str) -> Markup:
    """The chart. ``points``: at least one. Better is lower and further left; names stand at the right edge in the order of their points."""
    x_range = padded_range([[value for point in points for value in (point.x, point.excess.low, point.excess.high)], (0.0, 1.0)])
    y_range = padded_range([[value for point in points for value in (point.y, point.drop.low, point.drop.high)], (0.0, 0.2)])
    x, y = linear_scale(*x_range, LEFT, WIDTH - RIGHT), linear_scale(*y_range, HEIGHT - BOTTOM, TOP)
    parts = [*_grid(x, y, x_range, y_range), *_front(points, x, y), *(_intervals(point, x, y) for point in points)]
    named = [point for point in points if len(points) <= MAX_NAMES or point.efficient or point.kind != "method"]
    levels = spread([y(point.y) for point in named], LINE_HEIGHT)
    shift = max(0.0, TOP + 6 - min(levels, default=TOP + 6)) - max(0.0, max(levels, default=0.0) - (HEIGHT - BOTTOM))
    parts += [_name(point, level + shift, x, y) for point, level in zip(named, levels, strict=True)]
    return svg(parts, title, HEIGHT, WIDTH)


def _grid(x: Scale, y: Scale, x_range: tuple[float, float], y_range: tuple[float, float]) -> list[str]:
    """Grid lines and the labels of both axes."""
    parts = []
    for tick in round_values(*y_range):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{number(tick, 1)}</text>')
    for tick in round_values(*x_range):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{number(tick, 1)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    axis = "excess retrieval: 0 forgets like a gold, 1 has unlearned nothing"
    parts.append(f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{axis}</text>')
    level = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text class="label" transform="translate(12 {level:.0f}) rotate(-90)" text-anchor="middle">retained drop</text>')
    return parts


def _front(points: Sequence[ParetoPoint], x: Scale, y: Scale) -> list[str]:
    """A line through the submissions that no other dominates."""
    front = sorted((point.x, -point.y) for point in points if point.efficient)
    coordinates = " ".join(f"{x(excess):.1f},{y(-drop):.1f}" for excess, drop in front)
    return [f'<polyline class="front" points="{coordinates}"/>'] if len(front) > 1 else []


def _intervals(point: ParetoPoint, x: Scale, y: Scale) -> str:
    """The point with both intervals."""
    center_x, center_y = x(point.x), y(point.y)
    parts = []
    if point.excess.low is not None and point.excess.high is not None:
        start, end = x(point.excess.low), x(point.excess.high)
        parts.append(f'<line class="interval" x1="{start:.1f}" x2="{end:.1f}" y1="{center_y:.1f}" y2="{center_y:.1f}"/>')
    if point.drop.low is not None and point.drop.high is not None:
        start, end = y(point.drop.low), y(point.drop.high)
        parts.append(f'<line class="interval" x1="{center_x:.1f}" x2="{center_x:.1f}" y1="{start:.1f}" y2="{end:.1f}"/>')
    return f'<g class="point of-{point.kind}">{"".join(parts)}<circle cx="{center_x:.1f}" cy="{center_y:.1f}" r="4"/></g>'


def _name(point: ParetoPoint, level: float, x: Scale, y: Scale) -> str:
    edge = WIDTH - RIGHT + 10
    mark = " ◆" if point.efficient else ""
    return (
        f'<line class="leader" x1="{x(point.x):.1f}" y1="{y(point.y):.1f}" x2="{edge - 3}" y2="{level:.1f}"/>'
        f'<text class="name of-{point.kind}" x="{edge}" y="{level + 4:.1f}">{escape_html(point.name + mark)}</text>'
    )
